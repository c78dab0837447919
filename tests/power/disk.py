"""The states of a disk after a power cut: synced data is there, and any part of the rest.

The model assumes POSIX and SQLite's rules, and no property of one file system:
- A sync of a file makes its writes durable; a sync of a directory makes its names durable. The name of a new file needs the
  sync of its directory.
- Any subset of the writes since then is there, in whole or in sectors. A sector is old or new; beyond the old end of the file it
  may also be zeros or garbage.
- A create, rename, link or unlink is there as a whole or not at all.
- After a sync that failed, Linux takes the pages for written: a later sync makes them durable only where they are written again."""

import os
import random

SECTORS = (512, 4096)
PAGE = 4096
CONTENT = ("none", "all", "prefix", "torn", "subset", "late", "sectors")
NAMES = ("none", "all", "prefix", "prefix", "subset")


class File:
    """Holds the synced content and the later writes in order, as (at, offset, data); data is None for a new length. `lost` has the
    pages of writes whose sync failed."""

    def __init__(self, durable=b""):
        self.durable = bytearray(durable)
        self.pending = []
        self.lost = []

    def sync(self, began):
        for change in self._take(began):
            self._write_lost_pages_of(change)
            apply(self.durable, change)

    def fail_to_sync(self, began):
        for change in self._take(began):
            self.lost += pages_of(change)

    def _take(self, began):
        """Removes and returns the writes that the sync covers."""
        taken = [change for change in self.pending if change[0] < began]
        self.pending = [change for change in self.pending if change[0] >= began]
        return taken

    def _write_lost_pages_of(self, change):
        """Writes a page as a whole, with the rest of an earlier write."""
        pages = {offset // PAGE * PAGE for _, offset, _ in pages_of(change)}
        kept = []
        for piece in self.lost:
            if piece[2] is None or piece[1] // PAGE * PAGE in pages:
                apply(self.durable, piece)
            else:
                kept.append(piece)
        self.lost = kept

    def unsynced(self):
        return sorted(self.lost + self.pending, key=lambda change: change[0])

    def whole(self):
        content = bytearray(self.durable)
        for change in self.unsynced():
            apply(content, change)
        return content


class Directory:
    """Holds the synced names and the later changes in order, as (at, {name: file, directory or None})."""

    def __init__(self):
        self.durable = {}
        self.pending = []

    def sync(self, began):
        for at, names in self.pending:
            if at < began:
                bind(self.durable, names)
        self.pending = [change for change in self.pending if change[0] >= began]

    def whole(self):
        names = dict(self.durable)
        for _, change in self.pending:
            bind(names, change)
        return names


def apply(content, change):
    _, offset, data = change
    end = offset if data is None else offset + len(data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


def pages_of(change):
    """Splits a write at the bounds of pages. A new length stays as it is."""
    at, offset, data = change
    if data is None:
        return [change]
    bounds = [offset, *range((offset // PAGE + 1) * PAGE, offset + len(data), PAGE), offset + len(data)]
    return [(at, start, data[start - offset:end - offset]) for start, end in zip(bounds, bounds[1:])]


def bind(names, change):
    for name, target in change.items():
        if target is None:
            names.pop(name, None)
        else:
            names[name] = target


class Disk:
    """Replays a recording, one operation after another. `ignored` is the share of syncs without effect, for the test of the
    explorer itself."""

    def __init__(self, ignored=0.0, seed=0):
        self.root = Directory()
        self._ignored, self._seed = ignored, seed
        self._by_inode = {}

    @classmethod
    def found(cls, path):
        """Takes the files of a directory as durable, as after a reboot."""
        disk = cls()
        disk._take_in(disk.root, path)
        return disk

    def _take_in(self, directory, path):
        for entry in os.scandir(path):
            if entry.is_dir():
                made = Directory()
                self._take_in(made, entry.path)
            elif entry.name.endswith("-shm"):
                continue
            else:
                with open(entry.path, "rb") as file:
                    made = File(file.read())
            directory.durable[entry.name] = self._by_inode[entry.inode()] = made

    def play(self, record):
        getattr(self, "_play_" + {"c": "created", "w": "wrote", "t": "truncated", "s": "synced", "f": "failed", "r": "renamed",
                                  "u": "unlinked", "d": "unlinked", "l": "linked", "m": "made"}[record.kind])(record)

    def _directory(self, path):
        """Returns the directory of a path and the last name of it."""
        *parents, name = path.split("/")
        directory = self.root
        for parent in parents:
            directory = directory.whole()[parent]
        return directory, name

    def _change(self, record, path, target):
        directory, name = self._directory(path)
        directory.pending.append((record.at, {name: target}))

    def _play_created(self, record):
        self._by_inode[record.file] = File()
        self._change(record, record.name, self._by_inode[record.file])

    def _play_made(self, record):
        self._by_inode[record.file] = Directory()
        self._change(record, record.name, self._by_inode[record.file])

    def _play_wrote(self, record):
        self._by_inode[record.file].pending.append((record.at, record.offset, record.data))

    def _play_truncated(self, record):
        self._by_inode[record.file].pending.append((record.at, record.offset, None))

    def _play_synced(self, record):
        if self._ignored and random.Random(f"{self._seed}/sync/{record.at}").random() < self._ignored:
            return
        self._by_inode.get(record.file, self.root).sync(record.offset)

    def _play_failed(self, record):
        target = self._by_inode.get(record.file, self.root)
        if isinstance(target, File):
            target.fail_to_sync(record.offset)

    def _play_unlinked(self, record):
        self._change(record, record.name, None)

    def _play_linked(self, record):
        directory, name = self._directory(record.name)
        self._change(record, record.other, directory.whole()[name])

    def _play_renamed(self, record):
        directory, name = self._directory(record.name)
        target, new_name = self._directory(record.other)
        file = directory.whole()[name]
        if directory is target:
            directory.pending.append((record.at, {name: None, new_name: file}))
        else:
            raise ValueError(f"a rename from directory to directory: {record.name} to {record.other}")

    # Drawn states

    def contents(self):
        """Returns {path: bytes} as the running system sees it."""
        return {path: bytes(file.whole()) for path, file in walk(self.root, lambda directory: directory.whole())}

    def write_whole(self, target):
        """Writes the files below `target` as the running system sees them."""
        for path, file in walk(self.root, lambda directory: directory.whole(), target):
            with open(os.path.join(target, path), "wb") as out:
                out.write(file.whole())

    def write_state(self, chance, target):
        """Writes the files of one drawn state below `target`; returns the kind of state in words."""
        how_names, how_content = chance.choice(NAMES), chance.choice(CONTENT)
        found = list(walk(self.root, lambda directory: names_after_cut(directory, how_names, chance), target))
        for path, file in found:
            content = content_after_cut(file, how_content, chance) if file.unsynced() else file.durable
            with open(os.path.join(target, path), "wb") as out:
                out.write(content)
        if chance.random() < 0.125:  # an old -shm has no meaning after a reboot
            for path, _ in found:
                if path.endswith("-wal"):
                    with open(os.path.join(target, path[:-4] + "-shm"), "wb") as out:
                        out.write(chance.randbytes(32768))
        return f"names {how_names}, content {how_content}"


def walk(directory, names_of, target=None, below=""):
    """Yields (path, file) of all files; makes the directories below `target`, if given."""
    for name, entry in sorted(names_of(directory).items()):
        path = below + name
        if isinstance(entry, File):
            yield path, entry
            continue
        if target is not None:
            os.mkdir(os.path.join(target, path), 0o700)
        yield from walk(entry, names_of, target, path + "/")


def names_after_cut(directory, how, chance):
    names = dict(directory.durable)
    changes = [change for _, change in directory.pending]
    if how == "prefix":
        changes = changes[:chance.randint(0, len(changes))]
    elif how == "subset":
        share = chance.random()
        changes = [change for change in changes if chance.random() < share]
    elif how == "none":
        changes = []
    for change in changes:
        bind(names, change)
    return names


def content_after_cut(file, how, chance):
    content, changes = bytearray(file.durable), file.unsynced()
    if how == "none":
        return content
    if how == "all":
        return file.whole()
    if how in ("prefix", "torn"):
        count = chance.randint(0, len(changes))
        for change in changes[:count]:
            apply(content, change)
        if how == "torn" and count < len(changes):
            tear(content, changes[count], chance.random(), chance)
    elif how == "late":
        for change in changes[chance.randint(0, len(changes)):]:
            apply(content, change)
    else:
        share = chance.random()
        for change in changes:
            if how == "sectors":
                tear(content, change, share, chance)
            elif chance.random() < share:
                apply(content, change)
    return content


def tear(content, change, share, chance):
    """Applies a drawn part of the sectors of a write. The others stay old; beyond the old end they are zeros or garbage."""
    at, offset, data = change
    if data is None:
        if chance.random() < share:
            apply(content, change)
        return
    size = chance.choice(SECTORS)
    grown_from, garbage = len(content), chance.random() < 0.25
    position, end = offset, offset + len(data)
    while position < end:
        stop = min(end, (position // size + 1) * size)
        if chance.random() < share:
            apply(content, (at, position, data[position - offset:stop - offset]))
        elif garbage and stop > max(position, grown_from, len(content)):
            apply(content, (at, position, chance.randbytes(stop - position)) if position >= len(content)
                  else (at, len(content), chance.randbytes(stop - len(content))))
        position = stop
