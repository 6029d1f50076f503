# SPDX-License-Identifier: Apache-2.0
#
# For quickstart and check: the Debian packages that each needs, and building
# out of tree. Sourced; wants $top, the top of the sources.

BUILD_PACKAGES="autoconf automake libtool pkg-config make gcc libc6-dev
	libgnutls28-dev libxml2-dev libuv1-dev libgsasl-dev libconfuse-dev
	libidn-dev libsqlite3-dev libmicrohttpd-dev libunbound-dev uthash-dev"
RUN_PACKAGES="openssl"
TEST_PACKAGES="libcmocka-dev python3 python3-slixmpp python3-aioxmpp
	python3-pytest go-sendxmpp profanity biboumi tmux mandoc sqlite3
	gnutls-bin procps iproute2 git xz-utils util-linux
	libpq-dev postgresql pgbouncer"

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
	local log
	log=$(mktemp)
	# The lists may be old or absent: fetch them when the first try fails.
	# Services that packages bring are not ours to start.
	if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends $missing >"$log" 2>&1; then
		if ! { $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
			echo "The packages could not be installed:" >&2
			tail -n 5 "$log" >&2
			rm -f "$log"
			return 1
		fi
	fi
	rm -f "$log"
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
