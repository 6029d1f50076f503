# SPDX-License-Identifier: Apache-2.0
#
# storage: the interface, the drivers, and their loader.
# Add, for each file:
#   storage_libstorage_a_SOURCES += storage/thing.c storage/thing.h

noinst_LIBRARIES += storage/libstorage.a
storage_libstorage_a_SOURCES =

# A loadable driver, installed as $(driverdir)/NAME.so:
#   driver_LTLIBRARIES += storage/NAME.la
#   storage_NAME_la_SOURCES = storage/NAME.c
#   storage_NAME_la_LDFLAGS = $(LDFLAGS_MODULE)
#   storage_NAME_la_LIBADD = $(THEIR_LIBS)
# Headers that people need who write drivers:
#   nobase_pkginclude_HEADERS += storage/storage.h
