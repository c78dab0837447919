"""TCP segments made by hand and put on the wire of a lab, with any source address."""

import errno
import ipaddress
import random
import socket
import struct
import time

GATEWAY_MAC, DEVICE_MAC = bytes.fromhex("020000007701"), bytes.fromhex("020000007702")
SYN, RST, ACK = 0x02, 0x04, 0x10


def _sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(source, to, flags, sequence, acknowledged=0, window=64240):
    """Returns a whole Ethernet frame from the device side's end of the wire to the gateway's, both (address, port)."""
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(to[0])
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, random.randrange(65536), 0, 64, socket.IPPROTO_TCP, 0)
    head = head[:10] + struct.pack("!H", _sum16(head + addresses)) + addresses
    tcp = struct.pack("!HHIIBBHHH", source[1], to[1], sequence, acknowledged, 5 << 4, flags, window, 0, 0)
    pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", _sum16(pseudo + tcp)) + tcp[18:]
    return GATEWAY_MAC + DEVICE_MAC + b"\x08\x00" + head + tcp


class Wire:
    """Writes frames on the device side of a lab. `with` closes it."""

    def __init__(self, lab):
        with lab.device_side():
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._sock.bind(("wire", 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sock.close()

    def send(self, frames):
        for frame in frames:
            while not self._takes(frame):
                time.sleep(0.0005)

    def _takes(self, frame):
        """Returns False if the queue at the other end is full, and the frame is lost."""
        try:
            return self._sock.send(frame) == len(frame)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return False


def spoofed(prefix, dice):
    """Returns an address and port out of a prefix."""
    network = ipaddress.ip_network(prefix)
    return str(network[dice.randrange(1, network.num_addresses - 1)]), dice.randrange(1024, 65536)
