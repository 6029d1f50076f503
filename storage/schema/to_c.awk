# SPDX-License-Identifier: Apache-2.0
#
# Turns the migrations, given in order, into the arrays of storage/schema.h.

BEGIN {
	print "/* Made from storage/schema/ by to_c.awk. */"
	print "#include \"storage/schema.h\"\n"
	print "const struct schema_migration schema_migrations[] = {"
}

FNR == 1 {
	name = FILENAME
	sub(/^.*\//, "", name)
	if (count++ > 0)
		print "\t},"
	if (substr(name, 1, 4) + 0 != count) {
		print name ": expected migration number " count | "cat >&2"
		exit failed = 1
	}
	print "\t{\n\t\t\"" name "\","
}

{
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	gsub(/\t/, "\\t")
	print "\t\t\"" $0 "\\n\""
}

END {
	if (failed)
		exit 1
	print "\t},\n};\n\nconst int schema_version = " count ";"
}
