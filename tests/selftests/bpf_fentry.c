// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches a BPF program of type fentry to kvm_s390_handle_diag(), and prints "attached".
 * For each line on the standard input it prints how often the program was called. The
 * program is detached when the input ends.
 *
 * If the kernel refuses to attach the program, the exit status is the errno. If the kernel
 * has no BPF JIT, or no type information (BTF) of KVM, the exit status is KSFT_SKIP, and the
 * line that is printed gives the reason.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/filter.h>

#include "diag_util.h"

#define FUNCTION	"kvm_s390_handle_diag"

struct btf {
	struct btf_header *header;
	void *types, *types_end;
	const char *strings;
};

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static bool btf_read(const char *path, struct btf *btf)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	ssize_t n = 0, done;

	if (fd < 0)
		return false;
	TEST_ASSERT(!fstat(fd, &st), "%s: %s", path, strerror(errno));
	btf->header = malloc(st.st_size);
	for (done = 0; done < st.st_size; done += n) {
		n = read(fd, (char *)btf->header + done, st.st_size - done);
		TEST_ASSERT(n > 0, "reading %s: %s", path, strerror(errno));
	}
	close(fd);
	TEST_ASSERT(btf->header->magic == BTF_MAGIC, "%s has no BTF", path);
	btf->types = (char *)btf->header + btf->header->hdr_len + btf->header->type_off;
	btf->types_end = btf->types + btf->header->type_len;
	btf->strings = (char *)btf->header + btf->header->hdr_len + btf->header->str_off;
	return true;
}

static struct btf_type *btf_next(struct btf_type *type)
{
	unsigned int n = BTF_INFO_VLEN(type->info);
	char *end = (char *)(type + 1);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return (void *)(end + sizeof(__u32));
	case BTF_KIND_ARRAY:
		return (void *)(end + sizeof(struct btf_array));
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return (void *)(end + n * sizeof(struct btf_member));
	case BTF_KIND_ENUM:
		return (void *)(end + n * sizeof(struct btf_enum));
	case BTF_KIND_FUNC_PROTO:
		return (void *)(end + n * sizeof(struct btf_param));
	case BTF_KIND_DATASEC:
		return (void *)(end + n * sizeof(struct btf_var_secinfo));
	case BTF_KIND_ENUM64:
		return (void *)(end + n * sizeof(struct btf_enum64));
	default:
		return (void *)end;
	}
}

/* The types and strings of a module are numbered behind those of the kernel. */
static __u32 btf_find(const struct btf *kernel, const struct btf *module, const char *name)
{
	struct btf_type *type;
	__u32 id = 1;

	for (type = kernel->types; (void *)type < kernel->types_end; type = btf_next(type))
		id++;
	for (type = module->types; (void *)type < module->types_end; type = btf_next(type), id++)
		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
		    type->name_off >= kernel->header->str_len &&
		    !strcmp(module->strings + type->name_off - kernel->header->str_len, name))
			return id;
	TEST_FAIL("the BTF of KVM has no %s", name);
	return 0;
}

/* Returns a file descriptor of the BTF object of kvm.ko. */
static int btf_object(void)
{
	union bpf_attr attr = {};
	char name[64];
	__u32 id = 0;
	int fd;

	for (;;) {
		struct bpf_btf_info info = { .name = (uintptr_t)name, .name_len = sizeof(name) };

		attr = (union bpf_attr){ .start_id = id };
		TEST_ASSERT(!bpf(BPF_BTF_GET_NEXT_ID, &attr), "the kernel has no BTF of kvm");
		id = attr.next_id;
		attr = (union bpf_attr){ .btf_id = id };
		fd = bpf(BPF_BTF_GET_FD_BY_ID, &attr);
		if (fd < 0)
			continue;
		attr = (union bpf_attr){
			.info = {
				.bpf_fd = fd, .info_len = sizeof(info), .info = (uintptr_t)&info,
			},
		};
		TEST_ASSERT(!bpf(BPF_OBJ_GET_INFO_BY_FD, &attr), "BTF: %s", strerror(errno));
		if (!strcmp(name, "kvm"))
			return fd;
		close(fd);
	}
}

/* Loads a program that adds 1 to the only element of the map. */
static int load(int map, int btf_fd, __u32 btf_id)
{
	const struct bpf_insn insns[] = {
		BPF_LD_MAP_VALUE(BPF_REG_1, map, 0),
		BPF_MOV64_IMM(BPF_REG_2, 1),
		BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_1, BPF_REG_2, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	static char log[16384];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.expected_attach_type = BPF_TRACE_FENTRY,
		.insns = (uintptr_t)insns,
		.insn_cnt = ARRAY_SIZE(insns),
		.license = (uintptr_t)"GPL",
		.log_level = 1,
		.log_buf = (uintptr_t)log,
		.log_size = sizeof(log),
		.attach_btf_obj_fd = btf_fd,
		.attach_btf_id = btf_id,
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	TEST_ASSERT(fd >= 0, "loading the program: %s\n%s", strerror(errno), log);
	return fd;
}

int main(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(__u32),
		.value_size = sizeof(uint64_t),
		.max_entries = 1,
	};
	struct btf kernel, module;
	uint64_t calls = 0;
	__u32 key = 0;
	char line[16];
	int map, program;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (access("/proc/sys/net/core/bpf_jit_enable", F_OK)) {
		printf("this kernel has no BPF JIT\n");
		return KSFT_SKIP;
	}
	if (!btf_read("/sys/kernel/btf/vmlinux", &kernel) ||
	    !btf_read("/sys/kernel/btf/kvm", &module)) {
		printf("this kernel has no BTF of KVM\n");
		return KSFT_SKIP;
	}
	map = bpf(BPF_MAP_CREATE, &attr);
	TEST_ASSERT(map >= 0, "BPF_MAP_CREATE: %s", strerror(errno));
	program = load(map, btf_object(), btf_find(&kernel, &module, FUNCTION));
	attr = (union bpf_attr){ .raw_tracepoint = { .prog_fd = program } };
	if (bpf(BPF_RAW_TRACEPOINT_OPEN, &attr) < 0) {
		printf("refused: %s\n", strerror(errno));
		return errno;
	}
	printf("attached\n");
	while (fgets(line, sizeof(line), stdin)) {
		attr = (union bpf_attr){
			.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)&calls,
		};
		TEST_ASSERT(!bpf(BPF_MAP_LOOKUP_ELEM, &attr), "BPF_MAP_LOOKUP_ELEM: %s",
			    strerror(errno));
		printf("%" PRIu64 "\n", calls);
	}
	return 0;
}
