#!/usr/bin/env bash
# The packages of script/package in a fresh Debian that knows nothing of this tree: installed, run, upgraded over an
# administrator's changes, removed and purged. As root; takes the mirror and the keys of this host's own apt. Prints what
# each step took. HOLDFAST_LINTIAN=1: what lintian finds, too, if it is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
root=$work/root
network=holdfast-package-$$  # the gateway's ports are its own
gateway=

fail() { echo "tests/package: $*" >&2; exit 1; }
end_gateway() { [ -z "$gateway" ] || { kill "$gateway" 2>/dev/null || true; wait "$gateway" 2>/dev/null || true; gateway=; }; }
clean_up() {
  end_gateway
  ip netns delete "$network" 2>/dev/null || true
  umount "$root/proc" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
since=$SECONDS
step() { echo "tests/package: $* ($((SECONDS - since)) s)"; }
inside() { DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"; }
on_network() { ip netns exec "$network" "$@"; }
# awaits "TEXT" "WHAT IS WRONG WITHOUT": waits 10 s for the output of the gateway, or of the example.
awaits() {
  for _ in $(seq 100); do grep -q "$1" "$work/gateway" && return; sleep 0.1; done
  cat "$work/gateway" >&2
  fail "$2"
}
quietly() { "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; fail "$* failed"; }; }

script/package >/dev/null
version=$(dpkg-deb -f "$(ls build/release/packages/holdfast_*.deb)" Version)
# The same package with an older number, which the real one upgrades.
mkdir "$work/old"
dpkg-deb -R build/release/packages/holdfast_*.deb "$work/unpacked"
sed -i 's/^Version: .*/Version: 0.0.1/' "$work/unpacked/DEBIAN/control"
dpkg-deb -Zgzip -b "$work/unpacked" "$work/old/holdfast_0.0.1.deb" >/dev/null
step "built $version"
if command -v lintian >/dev/null && [ -n "${HOLDFAST_LINTIAN:-}" ]; then
  quietly lintian --fail-on error --suppress-tags-from-file tests/package/lintian.txt build/release/packages/*.deb
  step "lintian has no error to name"
fi

# A fresh root, from this host's package sources.
apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(SIGNED_BY)' 'Created-By: Packages' 2>/dev/null | sort -u >"$work/sources"
read -r mirror release _ < <(grep -v -e '-security' -e '-updates' "$work/sources" | head -1)
[ -n "${mirror:-}" ] || fail "this host's apt names no mirror: apt-get update"
quietly debootstrap --variant=minbase "$release" "$root" "$mirror"
cp -r /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d "$root/etc/apt/" 2>/dev/null || true
cp /etc/resolv.conf "$root/etc/"
mount -t proc proc "$root/proc"
quietly inside apt-get update -q
step "a fresh $release"

install_from() {
  rm -rf "$root/packages" && cp -r "$1" "$root/packages"
  quietly inside sh -c 'apt-get install -q -y --no-install-recommends -o Dpkg::Options::=--force-confold /packages/holdfast_*.deb'
}

inside find / -xdev -path /proc -prune -o -print | sort >"$work/before"
install_from "$work/old"
[ "$(inside dpkg-query -W -f '${Version}' holdfast)" = 0.0.1 ] || fail "it is not installed"
inside getent passwd holdfast >/dev/null || fail "its user is not there"
[ "$(stat -c '%a %U:%G' "$root/etc/holdfast/holdfast.toml" | cut -d' ' -f1)" = 640 ] || fail "anybody may read the configuration"
inside test -h /etc/systemd/system/multi-user.target.wants/holdfast.service || fail "the service is not enabled"
step "installed"

# Runs the command as the unit does; a device line is answered by an event.
ip netns add "$network"
on_network ip link set lo up
start_gateway() {
  : >"$work/gateway"  # what the one before said is no sign of this one
  ip netns exec "$network" chroot "$root" setpriv --reuid=holdfast --regid=holdfast --init-groups --no-new-privs \
    holdfast serve --config /etc/holdfast/holdfast.toml >"$work/gateway" 2>&1 &
  gateway=$!
  awaits " admin address=" "the gateway does not come up"
}
# device_line ADDRESS: a device at ADDRESS sends a line, which becomes an event.
device_line() {
  on_network bash -c "printf '{\"ip\":\"$1\",\"status\":\"online\"}\n' >/dev/tcp/127.0.0.1/7000"
  for _ in $(seq 100); do grep -q "\"key\":\"$1\"" "$root/var/log/holdfast/events.ndjson" 2>/dev/null && return; sleep 0.1; done
  fail "no event for the device's line: $(cat "$work/gateway")"
}
start_gateway
device_line 10.20.30.40
on_network chroot "$root" holdfast status | grep -q 'devices' || fail "holdfast status does not answer"
end_gateway
step "run"

python3 tests/links.py "$root/usr/share/doc/holdfast" || fail "the installed pages have dead links"

# The manual and the completions exist, and have the right content.
for file in /usr/share/man/man1/holdfast.1.gz /usr/share/man/man5/holdfast.toml.5.gz /usr/share/bash-completion/completions/holdfast \
            /usr/share/zsh/vendor-completions/_holdfast /usr/share/fish/vendor_completions.d/holdfast.fish; do
  inside test -s "$file" || fail "$file is missing"
done
inside bash -c 'source /usr/share/bash-completion/completions/holdfast; COMP_WORDS=(holdfast dr); COMP_CWORD=1; _holdfast; [ "${COMPREPLY[*]}" = drain ]' ||
  fail "bash does not complete"

# An upgrade over an administrator's changes keeps them.
echo '# mine' >>"$root/etc/holdfast/holdfast.toml"
sum=$(sha256sum <"$root/etc/holdfast/holdfast.toml")
install_from build/release/packages
[ "$(inside dpkg-query -W -f '${Version}' holdfast)" = "$version" ] || fail "it is not upgraded"
[ "$(sha256sum <"$root/etc/holdfast/holdfast.toml")" = "$sum" ] || fail "the upgrade changed the administrator's configuration"
start_gateway
device_line 10.20.30.41
end_gateway
step "upgraded to $version"

# The library, as a user builds against it: this host's compiler, the packages' headers and library, run where they are
# installed.
quietly inside sh -c 'apt-get install -q -y --no-install-recommends /packages/libholdfast0*.deb /packages/libholdfast-dev*.deb'
libraries=$root/usr/lib/$(gcc -print-multiarch)
flags=$(PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig:$libraries/pkgconfig pkg-config --cflags --libs holdfast)
# shellcheck disable=SC2086  # they are several
quietly g++ -std=c++20 examples/minimal/*.cc -o "$root/example" $flags -Wl,-rpath-link="$libraries"
: >"$work/gateway"
ip netns exec "$network" chroot "$root" /example 127.0.0.1:7001 >"$work/gateway" 2>&1 &
gateway=$!
awaits "listening" "the example does not come up"
on_network bash -c "printf '{\"ip\":\"10.20.30.40\"}\n' >/dev/tcp/127.0.0.1/7001"
awaits "left: peer_closed" "the example heard no end of a connection"
awaits 'sent {"ip":"10.20.30.40"}' "the example heard no item"
end_gateway
rm "$root/example"
step "built against the library"

# Removal keeps data, purging does not.
quietly inside apt-get remove -q -y holdfast 'libholdfast*'
[ -s "$root/var/log/holdfast/events.ndjson" ] || fail "remove took the events away"
quietly inside apt-get purge -q -y holdfast 'libholdfast*'
quietly inside apt-get autoremove -q -y --purge
inside find / -xdev -path /proc -prune -o -print | sort >"$work/after"
left=$(comm -13 "$work/before" "$work/after" | grep -i holdfast | grep -v '^/packages' || true)
[ -z "$left" ] || fail "purge left: $left"
step "purged, and nothing is left"
