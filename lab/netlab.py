"""Two namespaces and a wire between them: devices on one side, the gateway on the other, and faults on the wire.

Packets are dropped where they arrive (prerouting of the other side), so each sender's kernel believes that they left. A
drop in the sender's own output path would return to TCP as a local error, which no real network does."""

import atexit
import ipaddress
import itertools
import os
import signal
import threading

from lab.netns import LabError, Namespace, ip
from lab.nft import Nft
from lab.relay import Relay, open_tun

GATEWAY4, DEVICE4 = "10.77.0.1", "10.77.0.2"
GATEWAY6, DEVICE6 = "fd77::1", "fd77::2"
# Any address in here is the device side's own (an "AnyIP" local route), so that prefixes are distinct.
DEVICES4, DEVICES6 = "10.128.0.0/9", "fd78::/32"
_GATEWAY_MAC, _DEVICE_MAC = "02:00:00:00:77:01", "02:00:00:00:77:02"

_SETS = """
    set silent4 { type ipv4_addr . inet_service; }
    set silent6 { type ipv6_addr . inet_service; }
    set silent_hosts4 { type ipv4_addr; flags interval; }
    set silent_hosts6 { type ipv6_addr; flags interval; }
"""
_GATEWAY_RULES = "table inet lab {" + _SETS + """
    chain loss { }
    chain arriving {
        type filter hook prerouting priority -300;
        ip saddr . tcp sport @silent4 drop
        ip6 saddr . tcp sport @silent6 drop
        ip saddr @silent_hosts4 drop
        ip6 saddr @silent_hosts6 drop
        jump loss
    }
}"""
_DEVICE_RULES = "table inet lab {" + _SETS + """
    set no_host4 { type ipv4_addr . inet_service; }
    set no_host6 { type ipv6_addr . inet_service; }
    set no_route4 { type ipv4_addr . inet_service; }
    set no_route6 { type ipv6_addr . inet_service; }
    chain loss { }
    chain arriving {
        type filter hook prerouting priority -300;
        ip daddr . tcp dport @silent4 drop
        ip6 daddr . tcp dport @silent6 drop
        ip daddr @silent_hosts4 drop
        ip6 daddr @silent_hosts6 drop
        jump loss
    }
    chain refused {
        type filter hook input priority 0;
        ip daddr . tcp dport @no_host4 reject with icmpx type host-unreachable
        ip6 daddr . tcp dport @no_host6 reject with icmpx type host-unreachable
        ip daddr . tcp dport @no_route4 reject with icmpx type no-route
        ip6 daddr . tcp dport @no_route6 reject with icmpx type no-route
    }
}"""

_open_labs = set()
_numbers = itertools.count()


def _close_all():
    for lab in list(_open_labs):
        lab.close()


def _close_on_signal(number, frame):
    del frame
    _close_all()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _guard_against_signals():
    """Handles SIGTERM and SIGHUP, which end Python without atexit. SIGINT is a KeyboardInterrupt, for which __exit__ is
    enough."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _close_on_signal)


def _delete_orphans():
    """Deletes the namespaces of a lab whose process was killed before it could clean up."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        words = name.split("-")
        if len(words) == 4 and words[0] == "hf" and words[1].isdigit() and not os.path.exists(f"/proc/{words[1]}"):
            try:
                ip("netns", "delete", name)
            except LabError:
                pass  # another lab that started at the same moment was faster


atexit.register(_close_all)


class Lab:
    """A gateway side and a device side joined by a wire. Owns both namespaces; close() (or `with`) deletes them.
    Any thread may call the verbs. A peer is (address, port) of the device side, as socket.getsockname() gives it."""

    def __init__(self):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root; run as root or with sudo")
        _guard_against_signals()
        _delete_orphans()
        name = f"hf-{os.getpid()}-{next(_numbers)}"
        self._owner = os.getpid()
        self._filters = []
        self._namespaces = []
        self._removed_routes = []
        self._relay = None
        _open_labs.add(self)
        try:
            self.gateway = self._add(Namespace(f"{name}-g"))
            self.device = self._add(Namespace(f"{name}-d"))
            self._wire()
            self._gateway_filter = self._filter(self.gateway, _GATEWAY_RULES)
            self._device_filter = self._filter(self.device, _DEVICE_RULES)
        except BaseException:
            self.close()
            raise

    def _add(self, namespace):
        self._namespaces.append(namespace)
        return namespace

    def _filter(self, namespace, rules):
        nft = Nft(namespace)
        self._filters.append(nft)
        nft.run(rules)
        return nft

    def _wire(self):
        ip("-n", self.gateway.name, "link", "add", "wire", "address", _GATEWAY_MAC, "type", "veth",
           "peer", "name", "wire", "address", _DEVICE_MAC, "netns", self.device.name)
        for side in (self.gateway, self.device):
            ip("-n", side.name, "link", "set", "lo", "up")
            ip("-n", side.name, "link", "set", "wire", "up")
            self._address(side)
        ip("-n", self.device.name, "route", "add", "local", DEVICES4, "dev", "lo")
        ip("-n", self.device.name, "-6", "route", "add", "local", DEVICES6, "dev", "lo")
        self.device.sysctl("net.ipv4.icmp_ratelimit", 0)  # each refused packet is answered
        self.device.sysctl("net.ipv6.icmp.ratelimit", 0)
        self.device.sysctl("net.ipv6.ip_nonlocal_bind", 1)  # bind to any of DEVICES6

    def _address(self, side):
        """Sets addresses, routes and neighbours of one side, also if some exist already."""
        at_gateway = side is self.gateway
        own, others, mac = (((GATEWAY4, GATEWAY6), (DEVICE4, DEVICE6), _DEVICE_MAC) if at_gateway
                            else ((DEVICE4, DEVICE6), (GATEWAY4, GATEWAY6), _GATEWAY_MAC))
        ip("-n", side.name, "addr", "replace", f"{own[0]}/16", "dev", "wire")
        ip("-n", side.name, "addr", "replace", f"{own[1]}/64", "dev", "wire", "nodad")
        # Each knows the other's MAC for ever: no ARP or ND, so that silence and loss act on TCP alone.
        for other in others:
            ip("-n", side.name, "neigh", "replace", other, "lladdr", mac, "dev", "wire", "nud", "permanent")
        if at_gateway:
            ip("-n", side.name, "route", "replace", DEVICES4, "via", DEVICE4)
            ip("-n", side.name, "-6", "route", "replace", DEVICES6, "via", DEVICE6)

    def gateway_side(self):
        """Creates the sockets of this thread in the gateway's namespace, within `with lab.gateway_side():`."""
        return self.gateway.entered()

    def device_side(self):
        return self.device.entered()

    def silence(self, *peers, hosts=(), devices_still_hear=False):
        """Drops all packets of these peers, hosts or prefixes at either side from now on."""
        commands = "".join(_add_peers("silent", peers)) + "".join(_add_hosts(hosts))
        if not commands:
            raise ValueError("whom to silence? Give peers, or hosts=['0.0.0.0/0', '::/0'] for all")
        self._gateway_filter.run(commands)  # first: from here on the gateway receives nothing
        if not devices_still_hear:
            self._device_filter.run(commands)

    def heal(self, *peers):
        """Ends silence() for these peers."""
        commands = "".join(_peers("delete", "silent", peers))
        self._device_filter.run(commands)
        self._gateway_filter.run(commands)

    def deafen(self, *hosts):
        """Drops packets to these hosts or prefixes from now on, while their own packets arrive, as if no host were
        there."""
        self._device_filter.run("".join(_add_hosts(hosts)))

    def icmp_unreachable(self, *peers, what="no_host"):
        """Answers packets to these peers with ICMP host (`no_host`) or net (`no_route`) unreachable; none of their
        packets arrive."""
        self._gateway_filter.run("".join(_add_peers("silent", peers)))
        self._device_filter.run("".join(_add_peers(what, peers)))

    def remove_route(self, prefix):
        """Removes the route to this prefix from the gateway's kernel."""
        ip("-n", self.gateway.name, "route", "add", "unreachable", prefix)
        self._removed_routes.append(prefix)

    def link_down(self, side):
        """Switches the wire's interface off on one side (`lab.gateway` or `lab.device`). The other side loses its carrier."""
        ip("-n", side.name, "link", "set", "wire", "down")

    def link_up(self, side):
        """Ends link_down(). The kernel has dropped everything that needed the interface, so addresses and routes are
        set again."""
        ip("-n", side.name, "link", "set", "wire", "up")
        self._address(side)

    def loss(self, percent):
        """Drops each packet with this probability, each way, independently; 0 ends it."""
        lost = round(percent * 100)
        if not 0 <= lost < 10_000:
            raise ValueError(f"loss is 0 to 99.99 percent, not {percent}")
        commands = "flush chain inet lab loss\n"
        if lost > 0:
            # Not on loopback: a lost SYN and request of the admin API would exceed its timeout.
            commands += f'add rule inet lab loss iifname != "lo" meta l4proto tcp numgen random mod 10000 < {lost} drop\n'
        self._gateway_filter.run(commands)
        self._device_filter.run(commands)

    def delay(self, round_trip_ms, network=None):
        """Sets the round trip of every packet between the two sides, half of it each way. With `network`, a part of
        DEVICES4 that the first call chooses, only of its devices. From the first call on, also after delay(0), such
        packets take the relay's path in place of the wire. Faults of the wire itself, such as a link that is down, no
        longer affect them."""
        self._slow_wire(network).set(round_trip_ms / 2000)

    @property
    def relay_pid(self):
        """Returns the process that carries delayed packets, from the first delay() or scramble() on."""
        return self._relay.pid

    def scramble(self, jitter_ms, duplicates_percent):
        """Delays each packet by up to `jitter_ms`, so that packets overtake each other, and duplicates some. Takes the
        relay's path as delay() does."""
        self._slow_wire(None).set(0, jitter_ms / 1000, duplicates_percent / 100)

    def _slow_wire(self, network):
        if self._relay is not None:
            return self._relay
        self._relay = Relay([open_tun(side, "slow") for side in (self.gateway, self.device)])
        for side in (self.gateway, self.device):
            ip("-n", side.name, "link", "set", "slow", "mtu", "1500", "txqueuelen", "10000", "up")
        if network is None:
            self._take_slow_wire()
        else:
            self._take_slow_wire_from(network)
        return self._relay

    def _take_slow_wire(self):
        # More specific than the wire's own routes, so that they are preferred.
        for network in (f"{DEVICE4}/32", *_halves(DEVICES4)):
            ip("-n", self.gateway.name, "route", "add", network, "dev", "slow", "src", GATEWAY4)
        for network in (f"{DEVICE6}/128", *_halves(DEVICES6)):
            ip("-n", self.gateway.name, "-6", "route", "add", network, "dev", "slow", "src", GATEWAY6)
        ip("-n", self.device.name, "route", "add", f"{GATEWAY4}/32", "dev", "slow", "src", DEVICE4)
        ip("-n", self.device.name, "-6", "route", "add", f"{GATEWAY6}/128", "dev", "slow", "src", DEVICE6)

    def _take_slow_wire_from(self, network):
        ip("-n", self.gateway.name, "route", "add", network, "dev", "slow", "src", GATEWAY4)
        ip("-n", self.device.name, "rule", "add", "from", network, "lookup", "77")
        ip("-n", self.device.name, "route", "add", f"{GATEWAY4}/32", "dev", "slow", "table", "77")

    def device_rules(self, rules):
        """Adds rules of nftables on the device side; they end with the lab."""
        self._device_filter.run(rules)

    def single_segments(self):
        """Makes each packet on the wire one segment: a rule then sees the lengths that a real link would."""
        for side in (self.gateway, self.device):
            ip("-n", side.name, "link", "set", "wire", "gso_max_segs", "1")

    def restore(self):
        """Removes all faults of the wire."""
        both = [f"{kind}{version}" for kind in ("silent", "silent_hosts") for version in (4, 6)]
        refused = [f"{kind}{version}" for kind in ("no_host", "no_route") for version in (4, 6)]
        self._device_filter.run("".join(f"flush set inet lab {name}\n" for name in both + refused))
        self._gateway_filter.run("".join(f"flush set inet lab {name}\n" for name in both))
        for prefix in self._removed_routes:
            ip("-n", self.gateway.name, "route", "delete", "unreachable", prefix)
        self._removed_routes.clear()
        self.loss(0)
        if self._relay is not None:
            self._relay.set(0)

    def close(self):
        _open_labs.discard(self)
        if os.getpid() != self._owner:
            return  # a forked child must not delete the parent's lab
        if self._relay is not None:
            self._relay.close()
            self._relay = None
        for nft in self._filters:
            nft.close()
        for namespace in self._namespaces:
            namespace.delete()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _halves(network):
    return [str(half) for half in ipaddress.ip_network(network).subnets()]


def _version(address):
    return ipaddress.ip_network(address.split("%")[0], strict=False).version


def _add_peers(name, peers):
    yield from _peers("add", name, peers)


def _peers(verb, name, peers):
    for version in (4, 6):
        chosen = ", ".join(f"{peer[0]} . {peer[1]}" for peer in peers if _version(peer[0]) == version)
        if chosen:
            yield f"{verb} element inet lab {name}{version} {{ {chosen} }}\n"


def _add_hosts(hosts):
    for version in (4, 6):
        chosen = ", ".join(host for host in hosts if _version(host) == version)
        if chosen:
            yield f"add element inet lab silent_hosts{version} {{ {chosen} }}\n"


def device_address(net, host=1):
    """Returns an IPv4 address of the device side in 10.(128 + net).0.0/16; `host` from 1 to 65534."""
    if not (0 <= net < 128 and 0 < host < 65535):
        raise ValueError(f"no device address for net {net}, host {host}")
    return str(ipaddress.IPv4Address(f"10.{128 + net}.0.0") + host)
