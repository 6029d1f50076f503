/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of chappe-db, and the world that its commands run in.
 */
#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/privileges.h"
#include "util/xmpp/jid.h"

struct db_command {
	const char *word;
	const char *arguments;
	int min, max; /* of them; max -1: any number */
	/* What the arguments are. */
	enum { NO_FILES, READS, WRITES, SOURCE } use;
	int (*run)(struct db *db);
	const char *help;
};

static const struct db_command commands[] = {
	{ "migrate", "", 0, 0, NO_FILES, db_migrate,
	  "bring the tables of every storage up to date" },
	{ "check", "", 0, 0, NO_FILES, db_check,
	  "look for damage and for what contradicts itself" },
	{ "export", "[FILE]", 0, 1, WRITES, db_export,
	  "write everybody's data as XEP-0227" },
	{ "import", "[FILE...]", 0, -1, READS, db_import,
	  "read such files, of this server or another" },
	{ "jabberd2", "SOURCE", 1, 1, SOURCE, db_jabberd2,
	  "take over from a database of jabberd2" },
	{ .word = NULL }
};

void db_complain(const char *format, ...)
{
	va_list args;

	fputs("chappe-db: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void usage(FILE *to)
{
	fputs("Usage: chappe-db [OPTION...] COMMAND [ARGUMENT]\n\n", to);
	for (const struct db_command *c = commands; c->word != NULL; c++)
		fprintf(to, "  %-8s %-9s %s\n", c->word, c->arguments,
			c->help);
	fputs("\n  -c FILE         configuration (default: $CHAPPE_CONF or\n"
	      "                  " SYSCONFDIR "/chappe/chappe.conf)\n"
	      "  -n INSTANCE     whose section sm counts (default sm-1)\n"
	      "  --storage NAME  this section storage, not that of a domain\n"
	      "  --domain NAME   only this domain\n"
	      "  --user JID      only this account\n"
	      "  --output FILE   of jabberd2: write a file, import nothing\n"
	      "  --dry-run       say what would be done\n"
	      "  --json          reports as JSON\n"
	      "  -V, -h          version, this text\n",
	      to);
}

/* -- options -------------------------------------------------------------- */

static int prepare(const char **value, const char *option, const char *text)
{
	struct jid *jid;

	if (str_equal(option, "domain")) {
		*value = jid_prepare_domain(text);
		if (*value == NULL)
			db_complain("'%s' is no domain", text);
		return *value != NULL ? 0 : -1;
	}
	jid = jid_parse(text);
	if (jid == NULL || !jid_is_bare(jid))
		db_complain("'%s' is not of the form NAME@DOMAIN", text);
	else
		*value = mem_strdup(jid_full(jid));
	jid_free(&jid);
	return *value != NULL ? 0 : -1;
}

static int long_option(struct db *db, const char *name, int argc,
		       char *argv[])
{
	const char **plain = str_equal(name, "storage")	 ? &db->storage
			     : str_equal(name, "output") ? &db->output_path
							 : NULL;

	if (str_equal(name, "dry-run")) {
		db->dry_run = true;
		return 0;
	}
	if (str_equal(name, "json")) {
		db->json = true;
		return 0;
	}
	if (plain == NULL && !str_equal(name, "domain") &&
	    !str_equal(name, "user")) {
		db_complain("unknown option --%s", name);
		return -1;
	}
	if (optind >= argc) {
		db_complain("--%s wants a value", name);
		return -1;
	}
	if (plain != NULL) {
		*plain = argv[optind++];
		return 0;
	}
	return prepare(str_equal(name, "user") ? &db->user : &db->domain,
		       name, argv[optind++]);
}

/* Exit code, or -1 to go on. */
static int read_options(struct db *db, int argc, char *argv[])
{
	int letter;

	while ((letter = getopt(argc, argv, "c:n:Vh-:")) != -1) {
		switch (letter) {
		case 'c':
			db->config_file = optarg;
			break;
		case 'n':
			db->instance = optarg;
			break;
		case 'h':
			usage(stdout);
			return DB_OK;
		case 'V':
			puts("chappe-db " PACKAGE_VERSION);
			return DB_OK;
		case '-':
			if (long_option(db, optarg, argc, argv) == 0)
				break;
			return DB_USAGE;
		default:
			return DB_USAGE;
		}
	}
	return -1;
}

static const struct db_command *find_command(struct db *db, int argc,
					     char *argv[])
{
	const struct db_command *command = commands;
	int count = argc - optind - 1;

	if (count < 0) {
		usage(stderr);
		return NULL;
	}
	while (command->word != NULL &&
	       !str_equal(command->word, argv[optind]))
		command++;
	if (command->word == NULL) {
		db_complain("there is no command '%s'", argv[optind]);
		return NULL;
	}
	if (count < command->min ||
	    (command->max >= 0 && count > command->max)) {
		db_complain("usage: chappe-db %s %s", command->word,
			    command->arguments);
		return NULL;
	}
	db->arguments = argv + optind + 1;
	return command;
}

/* -- the world ------------------------------------------------------------ */

static int open_file(struct db_file *file, const char *path, bool writes)
{
	int flags = writes ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
	int fd;

	if (path == NULL || str_equal(path, "-")) {
		file->stream = writes ? stdout : stdin;
		return 0;
	}
	file->path = path;
	fd = open(path, flags | O_CLOEXEC, 0600);
	/* It will hold everybody's secrets, also when it was there before. */
	if (fd >= 0 && (!writes || fchmod(fd, 0600) == 0 || errno == EINVAL))
		file->stream = fdopen(fd, writes ? "w" : "r");
	if (file->stream != NULL)
		return 0;
	db_complain("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A dump is a file like others, and so is what comes of it. */
static int open_source(struct db *db)
{
	static const char dump[] = "mysql-dump:";
	struct db_file output = { .stream = NULL };

	db->files = mem_calloc(1, sizeof(*db->files));
	if (str_starts(db->arguments[0], dump) &&
	    open_file(&db->files[db->file_count++],
		      db->arguments[0] + strlen(dump), false) < 0)
		return -1;
	if (db->output_path != NULL &&
	    open_file(&output, db->output_path, true) < 0)
		return -1;
	db->output = output.stream;
	return 0;
}

/* As whoever called: the files are his, and the databases are the sm's. */
static int open_files(struct db *db, const struct db_command *command)
{
	size_t count = 0;

	if (command->use == NO_FILES)
		return 0;
	if (command->use == SOURCE)
		return open_source(db);
	while (db->arguments[count] != NULL)
		count++;
	db->files = mem_calloc(count + 1, sizeof(*db->files));
	if (count == 0)
		return open_file(&db->files[db->file_count++], NULL,
				 command->use == WRITES);
	for (size_t i = 0; i < count; i++) {
		if (open_file(&db->files[db->file_count++], db->arguments[i],
			      command->use == WRITES) < 0)
			return -1;
	}
	return 0;
}

/* What was written is whole, or there is nothing. */
static int finish_file(const struct db_file *file, int code)
{
	FILE *stream = file->stream;
	bool synced = fflush(stream) == 0 &&
		      (file->path == NULL || fsync(fileno(stream)) == 0 ||
		       errno == EINVAL);

	if (!synced) {
		db_complain("%s: %s", file->path != NULL ? file->path : "-",
			    strerror(errno));
		code = DB_FAILED;
	}
	if (code != DB_OK && file->path != NULL &&
	    ftruncate(fileno(stream), 0) < 0 && errno != EINVAL)
		db_complain("%s is not whole", file->path);
	return code;
}

static int close_files(struct db *db, const struct db_command *command,
		       int code)
{
	for (size_t i = 0; i < db->file_count; i++) {
		struct db_file *file = &db->files[i];

		if (file->stream == NULL)
			continue;
		if (command->use == WRITES)
			code = finish_file(file, code);
		if (file->path != NULL)
			fclose(file->stream);
	}
	mem_free(db->files);
	if (db->output != NULL && db->output != stdout &&
	    fclose(db->output) != 0)
		code = DB_FAILED;
	return code;
}

static int load_config(struct db *db)
{
	static const struct section *const sections[] = {
		&sm_section, &domain_section, &storage_section, &ldap_section,
		NULL
	};
	struct error err;

	db->config = config_load(db->config_file, sections, false, &err);
	if (db->config == NULL || sm_config_check(db->config, &err) < 0) {
		db_complain("%s", err.text);
		return -1;
	}
	db->sm = config_find(db->config, "sm", db->instance);
	if (db->sm == NULL) {
		db_complain("there is no section sm for the instance %s in %s",
			    db->instance, db->config_file);
		return -1;
	}
	if (db->storage == NULL ||
	    config_find(db->config, "storage", db->storage) != NULL)
		return 0;
	db_complain("there is no section storage \"%s\" in %s", db->storage,
		    db->config_file);
	return -1;
}

/* What is opened from here on, the sm could open as well. */
static int enter_world(struct db *db)
{
	struct error err;

	if (privileges_drop(db->sm->common.user, &err) < 0) {
		db_complain("%s: user: %s", db->config_file, err.text);
		return -1;
	}
	log_init(&db->log, "chappe-db");
	db->log.level = LOG_LEVEL_WARNING;
	db->loop = loop_new(&err);
	if (db->loop == NULL) {
		db_complain("%s", err.text);
		return -1;
	}
	privileges_hide();
	return 0;
}

static int run(struct db *db, const struct db_command *command)
{
	int code = DB_FAILED;

	if (load_config(db) < 0)
		return DB_FAILED;
	privileges_limit();
	if (open_files(db, command) == 0 && enter_world(db) == 0) {
		db->report = report_new();
		code = command->run(db);
		db_stores_close(db);
		report_free(&db->report);
		loop_free(&db->loop);
	}
	return close_files(db, command, code);
}

int db_main(int argc, char *argv[])
{
	struct db db = { .config_file = getenv("CHAPPE_CONF"),
			 .instance = "sm-1" };
	const struct db_command *command;
	int code;

	if (db.config_file == NULL || *db.config_file == '\0')
		db.config_file = SYSCONFDIR "/chappe/chappe.conf";
	code = read_options(&db, argc, argv);
	if (code < 0) {
		command = find_command(&db, argc, argv);
		code = command != NULL ? run(&db, command) : DB_USAGE;
	}
	config_free(&db.config);
	mem_free((char *)db.user);
	mem_free((char *)db.domain);
	return code;
}
