"""The style sheet of the pages: room for charts, and the tiles. Read `tiles.py` next.

Colours of text and ground are the theme's own, so they hold in dark and light. What is drawn anew each second must not
fade meanwhile, and needs nobody to say that it is.
"""

PAGE = """<style>
.stMainBlockContainer {padding: 4.2rem 1.5rem 2rem}
.stSidebar [data-testid="stSidebarHeader"] {height: 2rem}
.stSidebar [data-testid="stSidebarUserContent"] {padding-top: 0}
.stSidebar .stVerticalBlock {gap: .5rem}
.stSidebar .stButton button {min-height: 1.85rem; padding: .05rem .3rem}
.stSidebar [data-testid="stButtonGroup"] button {padding: .1rem .55rem; min-height: 1.85rem}
.stSidebar hr {margin: .6rem 0}
.g-tiles {display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: .5rem;
  padding-bottom: .5rem}
.g-tile {background: rgba(128,128,128,.10); border-radius: .5rem; padding: .4rem .65rem; cursor: help; min-height: 5rem}
.stSidebar .g-tile {min-height: 0; padding: .25rem .55rem}
.stSidebar .g-tile .value {font-size: 1.15rem}
.g-tile .name {font-size: .8rem; opacity: .75; white-space: nowrap}
.g-tile .value {font-size: 1.5rem; font-weight: 600; line-height: 1.25; white-space: nowrap}
.g-tile .value small {font-size: .75rem; font-weight: 400; opacity: .75}
.g-tile .more {font-size: .8rem; opacity: .8; white-space: nowrap}
.g-circuit {background: rgba(128,128,128,.10); border-radius: .5rem; padding: .55rem .8rem; margin-bottom: .5rem;
  border-left: .45rem solid var(--state)}
.g-circuit .name {font-weight: 600}
.g-circuit .state {float: right; font-weight: 600; cursor: help}
.g-circuit .more {font-size: .8rem; opacity: .85; min-height: 1.2rem}
.g-bar {display: flex; height: .6rem; border-radius: .3rem; overflow: hidden; background: rgba(128,128,128,.2);
  margin: .25rem 0}
.g-key {display: inline-block; width: .6rem; height: .6rem; border-radius: .15rem; margin-right: .25rem}
.g-meaning {white-space: nowrap; margin-right: .55rem}
.g-legend abbr {text-underline-offset: .2em; cursor: help}
.g-legend {font-size: .8rem; opacity: .9; line-height: 1.3}
[data-stale="true"] {opacity: 1 !important; transition: none !important}
[data-testid="stStatusWidget"] {display: none}
.stHtml a {color: inherit; text-underline-offset: .15em}
[data-testid="stCaptionContainer"] code {color: inherit}
.g-level {display: grid; grid-template-columns: 6.5rem 1fr 3.2rem; gap: .5rem; align-items: center; font-size: .8rem}
</style>"""
