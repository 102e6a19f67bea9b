"""Verifies an audit that `gapura audit export` wrote, with nothing but Python: python3 verify_audit.py audit.jsonl"""

# ruff: noqa: PLR2004, PTH123, T201 - it stands alone, and is read by people who do not know this project
import hashlib
import hmac
import json
import sys


def pack(value):
    """MessagePack, in its shortest form, of lists of integers, text and bytes."""
    if isinstance(value, (list, tuple)):
        return bytes([0x90 | len(value)]) + b"".join(map(pack, value))
    if isinstance(value, int):
        if 0 <= value < 0x80:
            return bytes([value])
        size = next(size for size in (1, 2, 4, 8) if value < 1 << 8 * size)
        return bytes([{1: 0xCC, 2: 0xCD, 4: 0xCE, 8: 0xCF}[size]]) + value.to_bytes(size, "big")
    raw, text = (value.encode(), True) if isinstance(value, str) else (value, False)
    if text and len(raw) < 32:
        return bytes([0xA0 | len(raw)]) + raw
    size = next(size for size in (1, 2, 4) if len(raw) < 1 << 8 * size)
    return (
        bytes([{1: 0xD9, 2: 0xDA, 4: 0xDB}[size] if text else {1: 0xC4, 2: 0xC5, 4: 0xC6}[size]])
        + len(raw).to_bytes(size, "big")
        + raw
    )


def check(data):
    """How many entries, and the hash of the last one; raises ValueError where anything is not as it was written."""
    lines = data.split(b"\n")
    if len(lines) < 4 or lines[-1] != b"":
        raise ValueError("the file is cut off")
    head, *entries, close, _ = map(json.loads, lines[:-1])
    whole = hashlib.sha256(data[: -len(lines[-2]) - 1]).hexdigest()
    if lines[-2] != b'{"sha256":"%s"}' % whole.encode():
        raise ValueError("a byte of the file was changed")
    seq, before, key = head["after"], bytes.fromhex(head["before"]), bytes.fromhex(head["text_key"])
    for one in entries:
        seq, told = seq + 1, bytes.fromhex(one["commitment"])
        fields = [one["seq"], one["at"], one["actor"], one["action"], one["subject"], told]
        before = hashlib.sha256(before + pack(fields)).digest()
        if one["seq"] != seq or one["hash"] != before.hex():
            raise ValueError(f"entry {seq} is missing or was altered")
        if one["salt"] is not None:
            said = pack([bytes.fromhex(one["salt"]), one["reason"], one["detail"]])
            if hmac.digest(key, said, "sha256") != told:
                raise ValueError(f"entry {seq} has another text than was written")
    if (close["entries"], close["seq"], close["hash"]) != (len(entries), seq, before.hex()):
        raise ValueError("entries are missing at the end")
    return len(entries), close["hash"]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 verify_audit.py audit.jsonl")
    with open(sys.argv[1], "rb") as file:
        try:
            print("{} entries, the last one {}".format(*check(file.read())))
        except (ValueError, KeyError, TypeError) as error:
            sys.exit(f"this is not as it was written: {error}")
