"""What the service does for users: one file per track. Read ``chat.py`` first.

The agent's is built on libraries that send what they see to LangSmith where its variables are set. These are taken away
here, before any file of a track can import such a library: they are meant for another program (``docs/adr/0019``).
"""

import os

for _name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
    del os.environ[_name]
