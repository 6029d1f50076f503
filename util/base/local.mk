# SPDX-License-Identifier: Apache-2.0
#
# util/base: memory, text, digests, tables, the log.

noinst_LIBRARIES += util/base/libbase.a
util_base_libbase_a_SOURCES = \
	util/base/buf.c util/base/buf.h \
	util/base/crypto.c util/base/crypto.h \
	util/base/error.c util/base/error.h \
	util/base/index.c util/base/index.h \
	util/base/log.c util/base/log.h \
	util/base/mem.c util/base/mem.h \
	util/base/str.c util/base/str.h \
	util/base/table.c util/base/table.h

# A driver that is written elsewhere is compiled against these.
nobase_pkginclude_HEADERS += util/base/buf.h util/base/crypto.h \
	util/base/error.h util/base/index.h util/base/log.h \
	util/base/mem.h util/base/str.h \
	util/base/table.h
