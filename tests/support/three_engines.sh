#!/usr/bin/env bash
# Three Docker engines on this machine that form a swarm. Each one has its own network, mounts and hostname (node1 to
# node3), so the machine's own engine is not touched. Needs root.
#
# Prints a line `ready DIR SUBNET SWITCH`, and runs until its standard input ends. Then it removes everything. This machine
# has the address SUBNET.1 on the network of the engines, and engine N has SUBNET.1N. DIR/nodeN.sock is the socket of engine
# N, and DIR/nodeN.pid the process whose namespaces it has. In the network of the process SWITCH, portN leads to engine N.
set -euo pipefail

dir=$(mktemp -d /tmp/mw-engines.XXXXXX)
subnet=10.213.$(($$ % 250))
group=mw-engines-$$
engines=()
networks=

# The processes in the networks of the engines: the engines, and their containers on the host network.
inhabitants() {
  for process in /proc/[0-9]*; do
    network=$(readlink "$process/ns/net" 2>/dev/null) || continue
    [[ " $networks " == *" $network "* ]] && echo "${process#/proc/}"
  done
  return 0
}

clean_up() {
  trap '' INT TERM HUP
  # The engines stop their containers. What is left after that is killed.
  for engine in "${engines[@]}"; do kill "$engine" 2>/dev/null || true; done
  for _ in $(seq 100); do
    alive=0
    for engine in "${engines[@]}"; do kill -0 "$engine" 2>/dev/null && alive=1; done
    [ $alive = 0 ] && break
    sleep 0.1
  done
  for process in $(inhabitants); do kill -KILL "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null || true
  rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

unshare --net sleep infinity </dev/null >/dev/null 2>&1 &
switch=$!
disown # so that the shell does not report its end
own=$(readlink /proc/$$/ns/net)
# Waits until a process has left the network of this shell.
entered() {
  until [ "$(readlink "/proc/$1/ns/net")" != "$own" ]; do sleep 0.02; done
  networks+=" $(readlink "/proc/$1/ns/net")"
}
on_switch() { nsenter --target "$switch" --net "$@"; }
entered "$switch"
on_switch ip link add switch type bridge
on_switch ip link set switch up
plug() { # the port of the switch, the name and the process at the other end
  on_switch ip link add "port$1" type veth peer name "$2" netns "$3"
  on_switch ip link set "port$1" master switch up
}

plug 0 "mw$$" $$
ip address add "$subnet.1/24" dev "mw$$"
ip link set "mw$$" up

for n in 1 2 3; do
  # The engine starts when its network is there. Its key, of which its id is made, is in /etc/docker.
  unshare --net --mount --uts sh -ec "
    hostname node$n
    mount -t tmpfs tmpfs /run
    if [ -d /etc/docker ]; then mount -t tmpfs tmpfs /etc/docker; fi
    until ip address show dev eth0 2>/dev/null | grep -q 'inet '; do sleep 0.02; done
    exec dockerd --host unix://$dir/node$n.sock --data-root $dir/node$n/data --exec-root $dir/node$n/exec \
      --pidfile $dir/node$n/docker.pid --storage-driver vfs --cgroup-parent $group --bridge none --iptables=false
  " </dev/null >"$dir/node$n.log" 2>&1 &
  echo $! >"$dir/node$n.pid"
  engines+=($!)
  entered $!
  plug "$n" eth0 $!
  nsenter --target $! --net sh -ec "
    ip link set lo up
    ip address add $subnet.1$n/24 dev eth0
    ip link set eth0 up"
done

engine() { docker --host "unix://$dir/node$1.sock" "${@:2}"; }
for n in 1 2 3; do
  for _ in $(seq 300); do
    engine $n info >/dev/null 2>&1 && break
    kill -0 "$(cat "$dir/node$n.pid")" || { tail "$dir/node$n.log" >&2; exit 1; }
    sleep 0.1
  done
done
engine 1 swarm init --advertise-addr "$subnet.11" >/dev/null
token=$(engine 1 swarm join-token --quiet worker)
for n in 2 3; do
  engine $n swarm join --advertise-addr "$subnet.1$n" --token "$token" "$subnet.11:2377" >/dev/null
done

echo "ready $dir $subnet $switch"
cat >/dev/null
