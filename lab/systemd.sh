#!/usr/bin/env bash
# The installed unit under a real systemd, booted in a container of its own over a copy-on-write view of this host:
# started, reloaded with a good and a bad file, a reactor stopped for good until the watchdog acts, stopped. Prints what
# systemd says. About a minute; as root; needs the release build and the package systemd-container.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "lab/systemd.sh: needs root: run it with sudo" >&2; exit 2; }
command -v systemd-nspawn >/dev/null || { echo "lab/systemd.sh: apt-get install systemd-container" >&2; exit 2; }

if [ "${1:-}" != --inside ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cmake --install build/release --prefix "$work/tree" >/dev/null
  # Mounts and the control group hierarchy of the container are seen by nobody else, and go with it.
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
mkdir -p "$root/etc/holdfast" "$root/usr/local/bin" "$root/etc/sysusers.d"
cp "$work/tree/bin/holdfast" "$root/usr/local/bin/"
sed "s#$work/tree#/usr/local#g" "$work/tree/lib/systemd/system/holdfast.service" >"$root/etc/systemd/system/holdfast.service"
cp "$work/tree/lib/sysusers.d/holdfast.conf" "$root/etc/sysusers.d/"
cp "$work/tree/share/holdfast/holdfast.toml" "$root/etc/holdfast/"
cp tests/process/stopped_thread.py "$work/shared/"
printf '[Unit]\nRequires=basic.target trial.service\n' >"$root/etc/systemd/system/trial.target"
printf '%s\n' '[Unit]' 'After=basic.target' '[Service]' 'Type=oneshot' 'ExecStart=/bin/bash /mnt/trial.sh' \
  'StandardOutput=append:/mnt/said' 'StandardError=append:/mnt/said' 'ExecStopPost=/bin/systemctl poweroff -ff' >"$root/etc/systemd/system/trial.service"

cat >"$work/shared/trial.sh" <<'TRIAL'
value() { systemctl show -P "$1" holdfast; }
must() { "$@" || { echo "FAILED: $*"; exit 1; }; }
systemd-sysusers
must systemctl start holdfast
pid=$(value MainPID)
echo "started: $(value ActiveState), status \"$(value StatusText)\", type $(value Type), watchdog $(value WatchdogUSec)"
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status"
must systemctl reload holdfast
echo "good file: systemctl reload exits 0"
cp /etc/holdfast/holdfast.toml /tmp/good.toml
echo 'nonsense = 1' >>/etc/holdfast/holdfast.toml
systemctl reload holdfast && { echo "FAILED: a bad file was taken"; exit 1; }
echo "bad file: systemctl reload exits 1, still $(value ActiveState)"
cp /tmp/good.toml /etc/holdfast/holdfast.toml
exec 3<>/dev/tcp/127.0.0.1/7000
must python3 /mnt/hang.py "$pid"
while [ "$(value NRestarts)" = 0 ] || [ "$(value ActiveState)" != active ]; do sleep 0.2; done
echo "restarted: $(value NRestarts) time, $(value ActiveState)"
must systemctl stop holdfast
echo "stopped: $(value Result), exit $(value ExecMainStatus)"
journalctl -u holdfast --no-pager -o short-iso-precise | sed 's/^/  /'
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
