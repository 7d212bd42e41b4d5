"""OTLP's requests with the attributes of items left as bytes. Read `attributes.py` next, which reads those.

Most of a batch is attributes, and most attributes were in the batches before. A message field and a field of bytes
look the same on the wire, so the descriptors here are OpenTelemetry's own with that one type changed: what came before
is then known by its bytes, and need not become objects again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.descriptor_pb2 import (  # type: ignore[import-untyped]
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_WHOLE = (common_pb2, resource_pb2)
_CHANGED = (trace_pb2, metrics_pb2, logs_pb2)
_SERVICES = (trace_service_pb2, metrics_service_pb2, logs_service_pb2)


def _messages(parent: FileDescriptorProto | DescriptorProto) -> Iterator[DescriptorProto]:
    for message in parent.message_type if isinstance(parent, FileDescriptorProto) else parent.nested_type:
        yield message
        yield from _messages(message)


def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for module in (*_WHOLE, *_CHANGED, *_SERVICES):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in _messages(file) if module in _CHANGED else ():
            for field in message.field:
                if field.name == "attributes":
                    field.type = FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.Add(file)
    return pool


_POOL = _pool()


def request_of(official: Any) -> Any:
    """The class for a generated request class, with the attributes of its items as bytes."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(official.DESCRIPTOR.full_name))
