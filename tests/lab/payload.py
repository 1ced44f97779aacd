# SPDX-License-Identifier: GPL-2.0-only
"""Lets a kernel's image start without decompressing the kernel.

An image of Linux for s390 is a small program with a payload, the compressed kernel. Under
Hercules, most of the time of a boot goes into decompressing it. This module makes a payload
of the same format that holds the same kernel, byte for byte, uncompressed. It is larger, and
therefore lies elsewhere in storage. In the program, only the payload's address changes.

The formats: "The .xz File Format", version 1.2.1, with LZMA2 chunks that are not compressed;
RFC 8878 (Zstandard), with raw blocks. The two instructions that can load an address of the
program, LARL and LGRL, are those of the Principles of Operation.
"""

import lzma
import re
import subprocess
import zlib

XZ, ZSTD = b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"

# The largest distances: between the two instructions that load the payload's address and that of
# its end, and between its end and the image's, where a page has room for a trailer.
NEAR, TRAILER = 64, 8192

# The opcodes of LARL and LGRL are C0x0 and C4x8, where x is a register. Matches may overlap.
LOAD = re.compile(rb"(?s)(?=(?:\xc0[%b]|\xc4[%b]).{4})"
                  % (bytes(range(0x00, 0x100, 0x10)), bytes(range(0x08, 0x100, 0x10))))


class Unknown(Exception):
    """The image is none that this module can change."""


def with_crc(data):
    return data + zlib.crc32(data).to_bytes(4, "little")


def padded(data):
    return data + bytes(-len(data) % 4)


def multibyte(value):
    """Returns an integer as the xz format encodes it, with seven bits in a byte."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(encoded) + bytes([value])


def stored_xz(kernel):
    flags = b"\0\0"     # the kernel has no check sum
    # The header of the only block: its size, its flags, one filter (LZMA2, 32 MiB), zeros.
    block = with_crc(b"\x02\0\x21\x01\x1c\0\0\0")
    chunks = bytearray()
    for at in range(0, len(kernel), 1 << 16):
        part = kernel[at:at + (1 << 16)]
        # The first chunk resets the dictionary.
        chunks += (b"\x02" if at else b"\x01") + (len(part) - 1).to_bytes(2, "big") + part
    chunks.append(0)
    index = with_crc(padded(b"\0\x01" + multibyte(len(block) + len(chunks))
                            + multibyte(len(kernel))))
    end = (len(index) // 4 - 1).to_bytes(4, "little") + flags
    return (XZ + with_crc(flags) + block + padded(bytes(chunks)) + index
            + zlib.crc32(end).to_bytes(4, "little") + end + b"YZ")


def stored_zstd(kernel):
    # A single segment, whose size has four bytes.
    frame = bytearray(ZSTD + b"\xa0" + len(kernel).to_bytes(4, "little"))
    for at in range(0, len(kernel), 1 << 17):
        part = kernel[at:at + (1 << 17)]
        last = at + len(part) == len(kernel)
        frame += (len(part) << 3 | last).to_bytes(3, "little") + part
    return bytes(frame)


def from_zstd(payload):
    done = subprocess.run(["zstd", "-dcq"], input=payload, capture_output=True, check=False)
    if done.returncode:
        raise Unknown(f"zstd: {done.stderr.decode().strip()}")
    return done.stdout


def from_xz(payload):
    try:
        return lzma.decompress(payload)
    except lzma.LZMAError as error:
        raise Unknown(f"xz: {error}") from error


FORMATS = {XZ: (from_xz, stored_xz), ZSTD: (from_zstd, stored_zstd)}


class Load:
    """An instruction that loads an address: itself (LARL), or from a table (LGRL)."""

    def __init__(self, image, at):
        self.at = at
        self.operand = at + 2 * int.from_bytes(image[at + 2:at + 6], "big", signed=True)
        self.from_table = image[at] == 0xc4
        self.address = self.operand
        if self.from_table and 0 <= self.operand <= len(image) - 8:
            self.address = int.from_bytes(image[self.operand:self.operand + 8], "big")

    def change(self, image, address):
        if self.from_table:
            image[self.operand:self.operand + 8] = address.to_bytes(8, "big")
        else:
            image[self.at + 2:self.at + 6] = ((address - self.at) // 2).to_bytes(4, "big")


def uses_of_payload(image):
    """Returns the instructions that load the payload's address and that of its end."""
    loads = [Load(image, found.start()) for found in LOAD.finditer(image)
             if found.start() % 2 == 0]
    starts = [load for load in loads
              if image.startswith(tuple(FORMATS), load.address) and load.at < load.address]
    pairs = [(start, end) for start in starts for end in loads
             if abs(start.at - end.at) <= NEAR and start.address < end.address
             and 0 < len(image) - end.address <= TRAILER]
    if len(pairs) != 1:
        raise Unknown(f"{len(pairs)} places in it could use the payload")
    for use in pairs[0]:
        others = [load for load in loads if load.at < pairs[0][0].address
                  and load.operand == use.operand and load is not use]
        if use.from_table and others:
            raise Unknown("more than one place in it uses the payload's address")
    return pairs[0]


def stored(image):
    """Returns a payload that holds the image's kernel uncompressed, and a function that returns
    the image that uses the payload at a given address. Raises Unknown."""
    start, end = uses_of_payload(image)
    packed = image[start.address:end.address]
    unpack, pack = next(FORMATS[magic] for magic in FORMATS if packed.startswith(magic))
    # Some payloads end with the size of the kernel.
    size = packed[-4:]
    try:
        kernel = unpack(packed)
    except Unknown:
        kernel = unpack(packed[:-4])
    payload = pack(kernel)
    if unpack(payload) != kernel:
        raise Unknown("the kernel in the new payload differs")
    if size == len(kernel).to_bytes(4, "little"):
        payload += size
    # LARL cannot load an odd address.
    payload = padded(payload)

    def image_with_payload_at(address):
        changed = bytearray(image)
        start.change(changed, address)
        end.change(changed, address + len(payload))
        return bytes(changed)

    return payload, image_with_payload_at
