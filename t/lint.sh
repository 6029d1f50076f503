#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What a compiler does not check: house rules that a search can decide. Prints
# "PASS name" or "FAIL name: where" for each, and fails when one does.
#
# Usage: t/lint.sh [FOLDER]   (the top of the sources by default)

cd "${1:-$(dirname "$0")/..}" || exit 2
folders=
for folder in util router c2s s2s sm storage ctl db t; do
	[ -d "$folder" ] && folders="$folders $folder"
done

all=$(mktemp) || exit 2
failed=$(mktemp) || exit 2
trap 'rm -f "$all" "$failed"' EXIT

# Sources of ours below the given folders.
sources() {
	pattern=$1
	shift
	find "$@" -type f -regex "$pattern" ! -path '*/build/*' | LC_ALL=C sort
}

# Reads "file:line:text" and reports the rule by whether there is any.
report() {
	found=$(cat)
	if [ -z "$found" ]; then
		echo "PASS $1"
		return
	fi
	printf '%s\n' "$found" | sed "s|^|FAIL $1: |"
	# In a file: this runs in a pipeline, where variables are lost.
	echo "$1" >> "$failed"
}

# C text without comments and the contents of strings, line numbers kept, as
# "file:line:text". '#include' lines keep their strings.
code() {
	for file in $(sources '.*\.[ch]' "$@"); do
		awk -v file="$file" '
		function strip(s,    out, c, n) {
			out = ""
			while (s != "") {
				c = substr(s, 1, 1)
				if (comment) {
					n = index(s, "*/")
					if (!n)
						return out
					comment = 0
					s = substr(s, n + 2)
				} else if (substr(s, 1, 2) == "/*") {
					comment = 1
					s = substr(s, 3)
				} else if (substr(s, 1, 2) == "//") {
					return out
				} else if (match(s, /^"([^"\\]|\\.)*"/)) {
					out = out "\"\""
					s = substr(s, RLENGTH + 1)
				} else if (match(s, /^\047([^\047\\]|\\.)*\047/)) {
					out = out "0"
					s = substr(s, RLENGTH + 1)
				} else {
					out = out c
					s = substr(s, 2)
				}
			}
			return out
		}
		!comment && /^[ \t]*#[ \t]*include/ { print file ":" FNR ":" $0; next }
		{ line = strip($0); if (line != "") print file ":" FNR ":" line }
		' "$file"
	done
}

# shellcheck disable=SC2086
code $folders > "$all"

word='(^|[^A-Za-z0-9_.>])'

# A name called as a function, in the files that $2 does not match.
calls() {
	grep -E "$word($1)[ 	]*\(" "$all" | grep -Ev "^($2):"
}

calls 'strcpy|strcat|sprintf|vsprintf|strncpy|strncat|atoi|atol|atoll|gets' \
	'-' | report banned-functions
calls 'malloc|calloc|realloc|strdup|strndup|asprintf|free' \
	'util/base/mem\.c|t/.*' | report memory-only-through-mem

# Only util/net reaches the world (t/ plays the other side of it).
outside='util/net/[^:]*|t/[^:]*'
grep -E "$word(uv_[a-z]|UV_[A-Z])" "$all" | grep -Ev "^($outside):" |
	report libuv-only-in-net
calls 'socket|connect|bind|listen|accept|accept4|recv|recvfrom|recvmsg|send|sendto|sendmsg|getaddrinfo|poll|select|epoll_wait' \
	"$outside" | report sockets-only-in-net
calls 'clock_gettime|gettimeofday|time|sleep|usleep|nanosleep' \
	"$outside|util/base/log\.c" | report clock-only-in-net
calls 'gnutls_rnd|getrandom|getentropy|rand|random|srand|srandom|arc4random[a-z_]*' \
	"$outside|util/base/table\.c" | report random-only-in-net
calls 'pthread_create|thrd_create' "$outside" |
	report threads-only-in-net
grep -E '#[ 	]*include[ 	]*<(uv|gnutls/[a-z0-9]*)\.h>' "$all" |
	grep -Ev "^($outside|util/base/crypto\.c):" |
	report tls-and-loop-headers-only-in-net

# Includes never go up: a folder, and what it may not include.
arrow() {
	from=$1
	shift
	for to in "$@"; do
		grep -E "^$from/[^:]*:[0-9]*:[ 	]*#[ 	]*include[ 	]*\"$to/" "$all"
	done
}
roles='router c2s s2s sm ctl db'
{
	# shellcheck disable=SC2086
	{
		arrow util/base util/net util/xmpp util/role storage $roles
		arrow util/net util/xmpp util/role storage $roles
		arrow util/xmpp util/role storage $roles
		arrow util/role storage $roles
		arrow storage $roles
		for role in $roles; do
			for other in $roles; do
				[ "$role" = "$other" ] || arrow "$role" "$other"
			done
		done
		arrow '[a-z0-9/]*[a-z0-9]' t | grep -v '^t/'
	}
	# chappectl checks the options of every role, and needs no more of them;
	# chappe-db runs with those of an sm.
} | grep -Ev '^ctl/.*"(router|c2s|s2s|sm)/options\.h"|^db/.*"sm/options\.h"' | report include-arrows
grep -E '#[ 	]*include[ 	]*"[^"/]*"' "$all" | grep -v '"config\.h"' |
	report include-by-path
grep -E '#[ 	]*include[ 	]*<(uthash|utlist)\.h>' "$all" |
	grep -v '^util/base/table\.h:' | report uthash-through-table

for folder in docs etc man; do
	[ -d "$folder" ] && folders="$folders $folder"
done
# shellcheck disable=SC2086
for file in $(sources '.*\.\(c\|h\|py\|sh\)' $folders); do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2\.0' ||
		echo "$file:1"
done | report spdx-lines

[ ! -s "$failed" ]
