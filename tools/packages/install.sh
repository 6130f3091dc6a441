#!/bin/sh
# Install the Debian packages of a list, unless all of them are installed.
# Usage: install.sh FILE. A line of FILE is a package name, an apt pattern or a # comment.
set -euf

packages=$(grep -v '^#' "$1")
install="apt-get install -qy --no-install-recommends --no-upgrade"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo

# A simulation prints "Inst NAME" for each missing package. The simulation itself fails
# where apt-get update has not run yet.
if simulated=$($install --simulate $packages 2>/dev/null); then
	case $simulated in *"Inst "*) ;; *) exit ;; esac
fi
$sudo apt-get update -q
$sudo env DEBIAN_FRONTEND=noninteractive $install $packages
