"""Recordings: the operations of a gateway on the files of its spool, in order, with marks of the promises made by then."""

import dataclasses
import os
import struct

HEAD = struct.Struct("<IIQQQII")
MAGIC = 0x52464448
MARK = "k"


@dataclasses.dataclass(slots=True)
class Record:
    """One operation, as recorder.c writes it, or a mark. `at` is the offset of the record in the log."""
    at: int
    kind: str
    file: int
    offset: int
    data: bytes
    name: str
    other: str


def read(path):
    with open(path, "rb") as log:
        raw = log.read()
    records, at = [], 0
    while at < len(raw):
        magic, kind, file, offset, size, name, other = HEAD.unpack_from(raw, at)
        if magic != MAGIC:
            raise ValueError(f"{path} is no recording: byte {at}")
        texts = at + HEAD.size
        data = texts + name + other
        if data + size > len(raw):
            raise ValueError(f"{path} ends in the middle of a record")
        records.append(Record(at, chr(kind), file, offset, raw[data:data + size], raw[texts:texts + name].decode(),
                              raw[texts + name:data].decode()))
        at = data + size
    return records


class Marks:
    """Appends marks to the log of a running recorder. An append is atomic: a mark follows the sync that it depends on.

    A mark is a word and its arguments:
      ready           the first start is complete
      id ID           the spool's id was published
      ack SESSION N   a device received the acknowledgement of items 1 to N of its session
      seen P          a consumer has read the events up to position P
      moving P        the group is about to move to P: retention may remove events up to P
      moved P         the group's position P is durable"""

    def __init__(self, path):
        self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def __call__(self, *words):
        text = " ".join(map(str, words)).encode()
        record = HEAD.pack(MAGIC, ord(MARK), 0, 0, len(text), 0, 0) + text
        if os.write(self._log, record) != len(record):
            raise OSError("a mark was not written as a whole")

    def close(self):
        os.close(self._log)
