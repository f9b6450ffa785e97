// SPDX-License-Identifier: Apache-2.0
//
// A plugin of qemu-user that writes how many instructions a program executed into the file that INSTRUCTIONS names.
// Each thread has a number of its own, which no other one changes. What it needs of QEMU is declared here since
// Debian 12 has no package with qemu-plugin.h; the version is that of QEMU 7.2 (docs/devel/tcg-plugins.rst). QEMU 9
// and newer want version 2, and refuse this one.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_info_t;
struct qemu_plugin_tb;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned int, void *), int flags, void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);

int qemu_plugin_version = 1;

enum { no_registers = 0, threads = 1024 };
static uint64_t executed[threads];

static void block_begins(unsigned int thread, void *instructions)
{
	executed[thread % threads] += (uintptr_t)instructions;
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(block, block_begins, no_registers, (void *)qemu_plugin_tb_n_insns(block));
}

static void program_ends(qemu_plugin_id_t id, void *unused)
{
	(void)id, (void)unused;
	uint64_t all = 0;
	for (int i = 0; i < threads; i++)
		all += executed[i];
	const char *name = getenv("INSTRUCTIONS");
	FILE *file = name ? fopen(name, "w") : NULL;
	if (!file)
		return; /* who asked finds no file */
	fprintf(file, "%llu\n", (unsigned long long)all);
	fclose(file);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	(void)info, (void)argc, (void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, program_ends, NULL);
	return 0;
}
