#!/usr/bin/env bash
# Tests the package's unit under a real systemd, booted in a container over a copy-on-write view of this host. Installs
# and starts it, forwards a device's line, and reloads it with a good and a bad file. Stops a reactor until the watchdog
# acts, then stops and purges. Prints systemd's output. Takes about a minute; needs root and the package
# systemd-container.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "lab/systemd.sh: needs root; run it with sudo" >&2; exit 2; }
command -v systemd-nspawn >/dev/null || { echo "lab/systemd.sh: apt-get install systemd-container" >&2; exit 2; }

if [ "${1:-}" != --inside ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  script/package >/dev/null
  cp build/release/packages/holdfast_*.deb "$work/holdfast.deb"
  # Mounts and the control group hierarchy belong to the container alone, and end with it.
  unshare --mount --propagation private "$0" --inside "$work" </dev/null
  cat "$work/said"
  grep -q '^seen: all' "$work/said"
  exit
fi

work=$2
if [ ! -e /sys/fs/cgroup/cgroup.procs ]; then  # a host with the old hierarchies
  umount -R /sys/fs/cgroup 2>/dev/null || true
  mount -t cgroup2 none /sys/fs/cgroup
fi
group=/sys/fs/cgroup/holdfast-lab-$$
mkdir -p "$group" "$work/layers" "$work/shared"
echo $$ >"$group/cgroup.procs"
mount -t tmpfs none "$work/layers"
mkdir "$work/layers/"{changes,work,root}
root=$work/layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/layers/changes,workdir=$work/layers/work" "$root"
cp tests/process/stopped_thread.py "$work/holdfast.deb" "$work/shared/"
printf '[Unit]\nRequires=basic.target trial.service\n' >"$root/etc/systemd/system/trial.target"
printf '%s\n' '[Unit]' 'After=basic.target' '[Service]' 'Type=oneshot' 'ExecStart=/bin/bash /mnt/trial.sh' \
  'StandardOutput=append:/mnt/said' 'StandardError=append:/mnt/said' 'ExecStopPost=/bin/systemctl poweroff -ff' >"$root/etc/systemd/system/trial.service"

cat >"$work/shared/trial.sh" <<'TRIAL'
value() { systemctl show -P "$1" holdfast; }
must() { "$@" || { echo "FAILED: $*"; exit 1; }; }
quietly() { "$@" >/tmp/said 2>&1 || { cat /tmp/said; return 1; }; }
export DEBIAN_FRONTEND=noninteractive
must quietly dpkg -i /mnt/holdfast.deb
must systemctl start holdfast
pid=$(value MainPID)
echo "installed: $(value FragmentPath), $(value UnitFileState), user $(value User)"
echo "started: $(value ActiveState), status \"$(value StatusText)\", type $(value Type), watchdog $(value WatchdogUSec)"
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status"
exec 3<>/dev/tcp/127.0.0.1/7000
printf '{"ip":"10.20.30.40"}\n' >&3
until grep '"item"' /var/log/holdfast/events.ndjson; do sleep 0.1; done
must systemctl reload holdfast
echo "good file: systemctl reload exits 0"
cp /etc/holdfast/holdfast.toml /tmp/good.toml
echo 'nonsense = 1' >>/etc/holdfast/holdfast.toml
systemctl reload holdfast && { echo "FAILED: a bad file was taken"; exit 1; }
echo "bad file: systemctl reload exits 1, still $(value ActiveState)"
cp /tmp/good.toml /etc/holdfast/holdfast.toml
must python3 /mnt/hang.py "$pid"
while [ "$(value NRestarts)" = 0 ] || [ "$(value ActiveState)" != active ]; do sleep 0.2; done
echo "restarted: $(value NRestarts) time, $(value ActiveState)"
must systemctl stop holdfast
echo "stopped: $(value Result), exit $(value ExecMainStatus)"
journalctl -u holdfast --no-pager -o short-iso-precise | sed 's/^/  /'
must quietly dpkg --purge holdfast
echo "purged: $(ls -d /etc/holdfast /lib/systemd/system/holdfast.service 2>/dev/null | wc -l) of its places are left"
echo "seen: all of it"
TRIAL
cat >"$work/shared/hang.py" <<'HANG'
import os, sys, time
sys.path.insert(0, "/mnt")
import stopped_thread as ptrace
pid = int(sys.argv[1])
tid = ptrace.thread_named(pid, "reactor-0")
ptrace._ptrace(ptrace._SEIZE, tid)
ptrace._ptrace(ptrace._INTERRUPT, tid)
os.waitpid(tid, ptrace._WALL)
since = time.monotonic()
CONT, ABORT = 7, 6
while time.monotonic() - since < 90:
    try:
        done, status = os.waitpid(tid, ptrace._WALL | os.WNOHANG)
    except ChildProcessError:
        break
    if done and not os.WIFSTOPPED(status):
        break
    if done:  # the watchdog's signal has come: let it act
        ptrace._libc.ptrace(CONT, tid, None, ABORT)
    time.sleep(0.05)
print(f"a reactor stopped for good: the gateway was gone {time.monotonic() - since:.0f} s later", flush=True)
HANG
timeout -k 5 180 systemd-nspawn -q -D "$root" --register=no --keep-unit --private-network --link-journal=no --console=pipe \
  --bind="$work/shared:/mnt" -b systemd.unit=trial.target systemd.show_status=no >"$work/console" 2>&1 || cat "$work/console" >&2
cp "$work/shared/said" "$work/said"
echo $$ >/sys/fs/cgroup/cgroup.procs
find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
