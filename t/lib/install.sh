# SPDX-License-Identifier: Apache-2.0
#
# For quickstart and check: the Debian packages that each needs, and building
# out of tree. Sourced; wants $top, the top of the sources.

BUILD_PACKAGES="autoconf automake libtool pkg-config make gcc libc6-dev
	libgnutls28-dev libxml2-dev libuv1-dev libgsasl-dev libconfuse-dev
	libidn-dev libsqlite3-dev libmicrohttpd-dev libunbound-dev uthash-dev
	libcurl4-gnutls-dev libjansson-dev"
RUN_PACKAGES="openssl"
TEST_PACKAGES="libcmocka-dev python3 python3-slixmpp python3-aioxmpp
	python3-pytest python3-pytest-xdist go-sendxmpp profanity biboumi tmux
	mandoc sqlite3 gnutls-bin procps iproute2 git xz-utils util-linux
	libpq-dev postgresql pgbouncer prosody lua-unbound ejabberd knot
	libldap-dev slapd ldap-utils libkrb5-dev krb5-kdc krb5-admin-server
	krb5-user python3-gssapi python3-kerberos"

# Prints those of the packages that are not installed.
missing_packages() {
	local package
	for package in $1; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
			grep -q 'ok installed' || printf '%s ' "$package"
	done
}

# Installs what is missing; a sentence and 1 when that cannot be done.
install_packages() {
	local missing sudo=
	missing=$(missing_packages "$1")
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || {
		echo "These Debian packages are needed, and there is no apt-get here: $missing" >&2
		return 1
	}
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null && sudo -n true 2>/dev/null && sudo=sudo
		[ -n "$sudo" ] || {
			echo "These packages are missing; install them as root: apt-get install $missing" >&2
			return 1
		}
	fi
	echo "Installing: $missing"
	local log policy=/usr/sbin/policy-rc.d
	log=$(mktemp)
	# Services that packages bring are not to start: tests start their own.
	if [ -e $policy ]; then
		policy=
	else
		printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
		$sudo chmod 755 $policy
	fi
	apt_get_install "$sudo" "$missing" "$log"
	local code=$?
	[ -z "$policy" ] || $sudo rm -f $policy
	if [ $code != 0 ]; then
		echo "The packages could not be installed:" >&2
		tail -n 5 "$log" >&2
	fi
	rm -f "$log"
	return $code
}

# The lists may be old or absent: fetches them when the first try fails.
apt_get_install() {
	local sudo=$1 missing=$2 log=$3
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends $missing >"$log" 2>&1 && return
	{ $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1
}

# Builds in the folder $1, with the log in $2; the rest are options of
# configure. Does nothing that was done before. One build at a time.
build_tree() {
	local build=$1 log=$2
	shift 2
	mkdir -p "$build" && : >"$log" || return 1
	(
		flock 9 || exit 1
		cd "$top" || exit 1
		if [ ! -x configure ] || [ configure.ac -nt configure ] ||
			[ ! -e Makefile.in ]; then
			autoreconf -fi || exit 1
		fi
		cd "$build" || exit 1
		if [ ! -e Makefile ] || [ "$top/configure" -nt config.status ] ||
			[ "$*" != "$(cat configure-options 2>/dev/null)" ]; then
			"$top/configure" --quiet "$@" || exit 1
			echo "$*" >configure-options
		fi
		make -s -j"$(nproc)" || exit 1
	) 9>"$top/build/.lock" >>"$log" 2>&1
}
