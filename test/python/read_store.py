#!/usr/bin/env python3
"""Reads an esparse store (docs/store-format.md) with nothing but Python's standard library.

    python3 test/python/read_store.py STORE [--run FINGERPRINT]

An oracle for the format: written from its specification, sharing no code with the library. It reads the run
that is named, or else the one that is served; checks seals, manifests and the CRC32C of every object; and
unpacks every packed linear, asserting that exactly `keep` of every `group` consecutive inputs are kept, in the
shuffled order. Prints a summary as JSON. Exit code 1, and the reason on stderr, where something is not so.
"""

import argparse
import json
import os
import re
import struct
import sys

FORMAT = 1
ITEM_BYTES = {"uint8": 1, "uint16": 2, "int32": 4, "float32": 4}
ITEM_CODE = {"uint8": "B", "uint16": "H", "int32": "i", "float32": "f"}
SEAL = re.compile(rb'"seal": "([0-9a-f]{8})"')


class Violation(Exception):
    """The store is not what the specification says."""


def require(condition, message):
    if not condition:
        raise Violation(message)


def crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
        table.append(crc)
    return table


TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def read(root, key):
    path = os.path.join(root, *key.split("/"))
    require(os.path.isfile(path), f"{key} is missing")
    with open(path, "rb") as file:
        return file.read()


def read_sealed(root, key):
    """The members of a sealed document, after its format and its own checksum were checked."""
    data = read(root, key)
    document = json.loads(data)
    members = document["attributes"]["esparse"] if "zarr_format" in document else document
    require(members["format"] <= FORMAT, f"{key} has format {members['format']}, this script reads {FORMAT}")
    seals = SEAL.findall(data)
    require(len(seals) == 1, f"{key} has {len(seals)} seals")
    opened = SEAL.sub(b'"seal": "00000000"', data)
    require(f"{crc32c(opened):08x}".encode() == seals[0], f"{key}: its seal does not match")
    return members


def read_listed(root, folder, entry, is_chunk):
    """An object as its manifest lists it; of a chunk, the bytes before its trailer."""
    key = f"{folder}/{entry['path']}"
    data = read(root, key)
    require(len(data) == entry["bytes"], f"{key} has {len(data)} bytes instead of {entry['bytes']}")
    payload = data
    if is_chunk:
        payload, trailer = data[:-4], struct.unpack("<I", data[-4:])[0]
        require(crc32c(payload) == trailer, f"{key}: its trailer does not match")
    require(f"{crc32c(payload):08x}" == entry["crc32c"], f"{key}: its checksum does not match the manifest")
    return payload


class Group:
    """A committed group: arrays by path, each with shape, dtype and elements, and attributes of sub-groups."""

    def __init__(self, root, folder):
        self.attributes = read_sealed(root, f"{folder}/zarr.json")
        self.arrays = {}
        self.groups = {}
        self.bytes = 0
        entries = {entry["path"]: entry for entry in self.attributes["objects"]}
        for path, entry in entries.items():
            self.bytes += entry["bytes"]
            if path.endswith("/zarr.json"):
                node = json.loads(read_listed(root, folder, entry, False))
                self._add(root, folder, path[: -len("/zarr.json")], node, entries)
        chunks = {path for path in entries if not path.endswith("/zarr.json")}
        used = {array["chunk"] for array in self.arrays.values() if array["chunk"]}
        require(chunks == used, f"{folder}: objects of no array: {sorted(chunks ^ used)}")

    def _add(self, root, folder, path, node, entries):
        require(node["zarr_format"] == 3, f"{folder}/{path} is not Zarr v3")
        if node["node_type"] == "group":
            self.groups[path] = node.get("attributes", {})
            return
        shape, dtype = node["shape"], node["data_type"]
        codecs = [codec["name"] for codec in node["codecs"]]
        require(codecs == ["bytes", "crc32c"], f"{folder}/{path} has the codecs {codecs}")
        one_chunk = [max(1, length) for length in shape]
        require(node["chunk_grid"]["configuration"]["chunk_shape"] == one_chunk, f"{folder}/{path} is not one chunk")
        count = 1
        for length in shape:
            count *= length
        chunk, payload = None, b""
        if count > 0:
            chunk = "/".join([path, "c"] + ["0"] * len(shape))
            require(chunk in entries, f"{folder}/{path} has no chunk in the manifest")
            payload = read_listed(root, folder, entries[chunk], True)
        require(len(payload) == count * ITEM_BYTES[dtype], f"{folder}/{path}: shape and data do not agree")
        data = struct.unpack(f"<{count}{ITEM_CODE[dtype]}", payload)
        self.arrays[path] = {"shape": shape, "dtype": dtype, "data": data, "chunk": chunk}


def kept_by_index(indices, values, slots, bits):
    """index-v1: per slot, 16 indices of `bits` bits and 16 values. Yields (row, position, value)."""
    per_slot = 2 * bits
    for slot in range(slots):
        word = int.from_bytes(bytes(indices[slot * per_slot : (slot + 1) * per_slot]), "little")
        for row in range(16):
            yield row, (word >> (row * bits)) & ((1 << bits) - 1), values[slot * 16 + row]


def kept_by_mask(indices, values, group):
    """mask-v1: per position a 16-bit mask of the rows; values in the order of positions, then rows."""
    at = 0
    for position in range(group):
        mask = indices[2 * position] | indices[2 * position + 1] << 8
        for row in range(16):
            if mask >> row & 1:
                require(at < len(values), "a mask keeps more values than there are")
                yield row, position, values[at]
                at += 1


def bf16(word):
    return struct.unpack("<f", struct.pack("<I", word << 16))[0]


def positions_of(indices, keep, group, groups, sixteens, tile, row):
    """Which positions of the shuffled order a row of a quantized linear keeps, in their order."""
    if group == 1:
        return list(range(groups))
    positions = []
    for g in range(groups):
        if (keep, group) == (2, 4):
            chosen = []
            for survivor in (2 * g, 2 * g + 1):
                byte = indices[((tile * sixteens + survivor // 16) * 16 + row) * 4 + survivor % 4]
                chosen.append(byte >> (2 * (survivor // 4 % 4)) & 3)
        elif (keep, group) == (4, 8):
            mask = indices[(tile * groups + g) * 16 + row]
            chosen = [m for m in range(8) if mask >> m & 1]
        else:
            bits = max(1, (group - 1).bit_length())
            is_index = keep * bits <= group
            per_group = 2 * bits * keep if is_index else 2 * group
            piece = indices[(tile * groups + g) * per_group : (tile * groups + g + 1) * per_group]
            ones = [0] * (16 * keep)
            all_kept = kept_by_index(piece, ones, keep, bits) if is_index else kept_by_mask(piece, ones, group)
            chosen = [position for of, position, _ in all_kept if of == row]
        require(len(chosen) == keep and chosen == sorted(set(chosen)), f"row {row}, group {g} keeps {chosen}")
        positions += [g * group + m for m in chosen]
    return positions


def check_quantized(name, attributes, arrays):
    """The same of a linear whose weights are integers with scales; also adds up the magnitudes of its weights."""
    rows, cols = attributes["rows"], attributes["cols"]
    keep, group = attributes["keep"], attributes["group"]
    bits, span = attributes["bits"], attributes["span"]
    require(bits in (3, 4, 8) and 1 <= span * keep <= 512, f"{name}: {bits} bits, spans of {span} groups")
    tiles, groups = -(-rows // 16), cols // group
    together = 2 if bits == 3 else 1
    sixteens, spans = -(-groups * keep // (16 * together)) * together, -(-groups // span)
    values, scales = arrays[f"{name}/values"], arrays[f"{name}/scales"]
    require(values["shape"] == [tiles, sixteens * bits // 2, 64], f"{name}: shape of values")
    require(scales["shape"] == [tiles, spans, 16], f"{name}: shape of scales")
    indices = arrays[f"{name}/indices"]["data"] if group > 1 else ()
    permutation = arrays.get(f"{name}/permutation")
    nonzero, magnitudes = 0, 0.0
    for row in range(tiles * 16):
        tile, lane = divmod(row, 16)
        if row >= rows:
            require(all(scales["data"][(tile * spans + s) * 16 + lane] == 0x3F80 for s in range(spans)), f"{name}: scales")
            continue
        places = positions_of(indices, keep, group, groups, sixteens, tile, lane)
        for survivor in range(sixteens * 16):
            vector = tile * sixteens * bits // 2
            at = lane * 4 + survivor % 4
            if bits == 3:
                vector += survivor // 32 * 3
                low = values["data"][(vector + survivor // 16 % 2) * 64 + at] >> (survivor // 4 % 4 * 2) & 3
                number = low | (values["data"][(vector + 2) * 64 + at] >> (survivor // 4 % 8) & 1) << 2
            else:
                byte = values["data"][(vector + survivor * bits // 32) * 64 + at]
                number = byte if bits == 8 else byte >> (survivor & 4) & 15
            number -= (1 << bits) if number >> (bits - 1) else 0
            if survivor >= groups * keep:
                require(number == 0, f"{name}: a number beyond the last survivor")
                continue
            scale = bf16(scales["data"][(tile * spans + places[survivor] // (span * group)) * 16 + lane])
            require(scale != 0 and abs(scale) < float("inf"), f"{name}: row {row} has the scale {scale}")
            nonzero += number != 0
            magnitudes += abs(number * scale)
    return {
        "encoding": attributes["encoding"],
        "rows": rows,
        "cols": cols,
        "pattern": f"{keep}:{group}",
        "kept": rows * groups * keep,
        "nonzero": nonzero,
        "permuted": permutation is not None,
        "magnitudes": magnitudes,
    }


def check_linear(name, attributes, arrays):
    """Unpacks a linear and counts what each row keeps of each group; returns what the summary says of it."""
    rows, cols = attributes["rows"], attributes["cols"]
    keep, group = attributes["keep"], attributes["group"]
    encoding = attributes["encoding"]
    if encoding == "quantized-v1":
        return check_quantized(name, attributes, arrays)
    require(attributes.get("tileRows", 16) == 16, f"{name}: tiles of {attributes.get('tileRows')} rows")
    require(cols % group == 0, f"{name}: {cols} inputs do not divide into groups of {group}")
    tiles, groups = -(-rows // 16), cols // group
    bits = max(1, (group - 1).bit_length())
    per_group = {"index-v1": 2 * bits * keep, "mask-v1": 2 * group}.get(encoding)
    require(per_group is not None, f"{name} has the unknown encoding {encoding}")
    values, indices = arrays[f"{name}/values"], arrays[f"{name}/indices"]
    require(values["dtype"] == "uint16" and values["shape"] == [tiles, groups, 16 * keep], f"{name}: shape of values")
    require(indices["dtype"] == "uint8" and indices["shape"] == [tiles, groups, per_group], f"{name}: shape of indices")
    permutation = arrays.get(f"{name}/permutation")
    if permutation is not None:
        require(sorted(permutation["data"]) == list(range(cols)), f"{name}: no permutation of {cols} inputs")

    nonzero = 0
    for tile in range(tiles):
        for g in range(groups):
            at = tile * groups + g
            piece = values["data"][at * 16 * keep : (at + 1) * 16 * keep]
            packed = indices["data"][at * per_group : (at + 1) * per_group]
            if encoding == "index-v1":
                kept = kept_by_index(packed, piece, keep, bits)
            else:
                kept = kept_by_mask(packed, piece, group)
            positions = [set() for _ in range(16)]
            for row, position, value in kept:
                require(position < group, f"{name}: position {position} in a group of {group}")
                if tile * 16 + row < rows:
                    positions[row].add(position)
                    nonzero += value & 0x7FFF != 0
                else:
                    require(value == 0, f"{name}: a padding row has the value {value}")
            for row in range(min(16, rows - tile * 16)):
                count = len(positions[row])
                where = f"{name}: row {tile * 16 + row}, group {g}"
                require(count == keep, f"{where} keeps {count} of {group} instead of {keep}")
    return {
        "encoding": encoding,
        "rows": rows,
        "cols": cols,
        "pattern": f"{keep}:{group}",
        "kept": rows * groups * keep,
        "nonzero": nonzero,
        "permuted": permutation is not None,
    }


def read_group(root, folder):
    group = Group(root, folder)
    linears = {
        path: check_linear(path, attributes, group.arrays)
        for path, attributes in sorted(group.groups.items())
        if "encoding" in attributes
    }
    return {"arrays": len(group.arrays), "bytes": group.bytes, "linears": linears}


def read_run(root, wanted):
    read_sealed(root, "zarr.json")
    fingerprint = wanted or read_sealed(root, "current")["run"]
    run = f"runs/{fingerprint}"
    attributes = read_sealed(root, f"{run}/zarr.json")
    finished = os.path.isfile(os.path.join(root, run, "finished.json"))
    if finished:
        for entry in read_sealed(root, f"{run}/finished.json")["objects"]:
            read_listed(root, run, entry, False)
    names = os.listdir(os.path.join(root, run, "blocks"))
    blocks = sorted(int(name) for name in names if name.isdigit())
    committed = [k for k in blocks if os.path.isfile(os.path.join(root, run, "blocks", str(k), "zarr.json"))]
    if finished:
        expected = list(range(read_sealed(root, f"{run}/finished.json")["blocks"]))
        require(committed == expected, f"the blocks {committed} are committed instead of {expected}")
    files = []
    if os.path.isfile(os.path.join(root, run, "tokenizer", "zarr.json")):
        for entry in read_sealed(root, f"{run}/tokenizer/zarr.json")["objects"]:
            read_listed(root, f"{run}/tokenizer", entry, False)
            files.append(entry["path"])
    dense = os.path.isfile(os.path.join(root, run, "dense", "zarr.json"))
    return {
        "run": fingerprint,
        "finished": finished,
        "attributes": sorted(name for name in attributes if name not in ("format", "seal")),
        "tokenizer": files,
        "dense": read_group(root, f"{run}/dense") if dense else None,
        "blocks": {str(k): read_group(root, f"{run}/blocks/{k}") for k in committed},
    }


def main():
    parser = argparse.ArgumentParser(description="Check an esparse store, from its specification alone.")
    parser.add_argument("store", help="folder of the store")
    parser.add_argument("--run", help="fingerprint of the run (default: the one that is served)")
    arguments = parser.parse_args()
    try:
        summary = read_run(arguments.store, arguments.run)
    except Violation as violation:
        sys.exit(f"read_store: {violation}")
    except (KeyError, TypeError, ValueError, OSError, struct.error) as error:
        sys.exit(f"read_store: the store cannot be read: {type(error).__name__}: {error}")
    json.dump(summary, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
