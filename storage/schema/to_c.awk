# SPDX-License-Identifier: Apache-2.0
#
# Turns the migrations, given in order, into the arrays of storage/schema.h.
#
# They are written for SQLite. For PostgreSQL, types get their names there,
# texts are ordered by their bytes, and WITHOUT ROWID goes. A line that ends
# with "-- sqlite" or "-- postgres" is for that one only.

function finish() {
	print "\t\t/* sqlite */" sqlite ",\n\t\t/* postgres */" postgres ","
	print "\t},"
	sqlite = postgres = ""
}

function quoted(line) {
	gsub(/\\/, "\\\\", line)
	gsub(/"/, "\\\"", line)
	gsub(/\t/, "\\t", line)
	return "\n\t\t\"" line "\\n\""
}

BEGIN {
	print "/* Made from storage/schema/ by to_c.awk. */"
	print "#include \"storage/schema.h\"\n"
	print "const struct schema_migration schema_migrations[] = {"
}

FNR == 1 {
	name = FILENAME
	sub(/^.*\//, "", name)
	if (count++ > 0)
		finish()
	if (substr(name, 1, 4) + 0 != count) {
		print name ": expected migration number " count | "cat >&2"
		exit failed = 1
	}
	print "\t{\n\t\t\"" name "\","
}

{
	only = ""
	if (match($0, /[ \t]*-- (sqlite|postgres)$/)) {
		only = substr($0, RSTART)
		sub(/^.*-- /, "", only)
		$0 = substr($0, 1, RSTART - 1)
	}
}

only != "postgres" {
	sqlite = sqlite quoted($0)
}

only != "sqlite" {
	gsub(/INTEGER/, "BIGINT")
	gsub(/BLOB/, "BYTEA")
	gsub(/TEXT/, "TEXT COLLATE \"C\"")
	gsub(/ WITHOUT ROWID/, "")
	postgres = postgres quoted($0)
}

END {
	if (failed)
		exit 1
	finish()
	print "};\n\nconst int schema_version = " count ";"
}
