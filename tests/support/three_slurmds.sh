#!/usr/bin/env bash
# A Slurm cluster of three nodes (n1 to n3) on this machine, in a network of its own. Needs root.
#
# Prints a line `ready DIR SUBNET PID`, and runs until its standard input ends. Then it removes everything. This machine has
# the address SUBNET.1, and the cluster has SUBNET.2. DIR/slurm.conf is its configuration, and PID the process whose network
# it has: `SLURM_CONF=DIR/slurm.conf nsenter --target PID --net --uts srun -N3 hostname`.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

dir=$(mktemp -d /tmp/mw-slurm.XXXXXX)
subnet=10.214.$(($$ % 250))
network=

inhabitants() {
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/ns/net" 2>/dev/null)" = "$network" ] && echo "${process#/proc/}"
  done
  return 0
}

clean_up() {
  trap '' INT TERM HUP
  if [ -n "$network" ]; then
    # The daemons end their own processes. What is left after that is killed.
    for signal in TERM KILL; do
      for process in $(inhabitants); do kill -$signal "$process" 2>/dev/null || true; done
      for _ in $(seq 30); do [ -z "$(inhabitants)" ] && break; sleep 0.1; done
    done
  fi
  rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

own=$(readlink /proc/$$/ns/net)
unshare --net --uts sh -c 'hostname mw-slurm; exec sleep infinity' </dev/null >/dev/null 2>&1 &
holder=$!
disown # so that the shell does not report its end
until [ "$(readlink /proc/$holder/ns/net)" != "$own" ]; do sleep 0.02; done
network=$(readlink /proc/$holder/ns/net)
inside() { nsenter --target "$holder" --net --uts "$@"; }
until [ "$(inside hostname)" = mw-slurm ]; do sleep 0.02; done

ip link add "ms$$" type veth peer name eth0 netns "$holder"
ip address add "$subnet.1/24" dev "ms$$"
ip link set "ms$$" up
inside ip link set lo up
inside ip address add "$subnet.2/24" dev eth0
inside ip link set eth0 up

cat >"$dir/slurm.conf" <<CONF
ClusterName=metawrk
SlurmctldHost=mw-slurm($subnet.2)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/state
SlurmctldPidFile=$dir/slurmctld.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdSpoolDir=$dir/spool-%n
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmdLogFile=$dir/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
NodeName=n1 NodeHostname=mw-slurm NodeAddr=$subnet.2 Port=17011
NodeName=n2 NodeHostname=mw-slurm NodeAddr=$subnet.2 Port=17012
NodeName=n3 NodeHostname=mw-slurm NodeAddr=$subnet.2 Port=17013
PartitionName=all Nodes=n[1-3] Default=YES State=UP
CONF
mkdir "$dir/state"
export SLURM_CONF=$dir/slurm.conf

chmod 755 "$dir"
(umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
inside munged --foreground --force --socket "$dir/munge.socket" --key-file "$dir/munge.key" --pid-file "$dir/munge.pid" \
  --seed-file "$dir/munge.seed" --log-file "$dir/munge.log" </dev/null >"$dir/munge.out" 2>&1 &
until [ -S "$dir/munge.socket" ]; do kill -0 $! && sleep 0.05; done
inside slurmctld -D </dev/null >"$dir/slurmctld.out" 2>&1 &
for n in 1 2 3; do
  mkdir "$dir/spool-n$n"
  inside slurmd -D -N "n$n" </dev/null >"$dir/slurmd-n$n.out" 2>&1 &
done
for _ in $(seq 300); do
  [ "$(inside sinfo --noheader --states=idle --format=%D 2>/dev/null)" = 3 ] && break
  sleep 0.1
done
[ "$(inside sinfo --noheader --states=idle --format=%D)" = 3 ] || { tail -n 5 "$dir"/*.log "$dir"/*.out >&2; exit 1; }

echo "ready $dir $subnet $holder"
cat >/dev/null
