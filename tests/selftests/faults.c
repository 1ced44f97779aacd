// SPDX-License-Identifier: GPL-2.0-only
/*
 * faults churn | thousand | failed | offline | memory
 *
 * churn creates and destroys VMs while it loads and unloads the module. thousand creates
 * 1000 VMs at once. failed makes creations of VMs fail. offline ends VMs while the CPU that
 * has cached them is offline: for each CPU, the module caches the last VM that had an intercept
 * there. memory runs VMs in a memory cgroup that is too small for them. Each notification
 * must be accounted for, and the module's counters must be exact.
 *
 * The VMs are smaller than those of kvm_util. A VM that cannot be created does not end the
 * test.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diag_util.h"

#define SCHID		0x00010005U
#define COUNTERS	"/sys/kernel/debug/kvm/kvm-s390-diag"
#define DIAG_2_4_500	0x83240500
#define SEGMENT		0x100000UL	/* the smallest memory of a guest */

static int kvm_fd;
static uint8_t *memory;		/* of all VMs of a process, which run one at a time */

/* A VM with one vCPU, and one queue that has an eventfd. */
struct tiny {
	int fd, event;
	pid_t creator;		/* thread that KVM names the VM after */
	struct kvm_vcpu vcpu;
};

/* Ends a test that does not call this again within five minutes. */
static void goes_on(void)
{
	alarm(300);
}

static void *map_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(p != MAP_FAILED, "mmap: %s", strerror(errno));
	return p;
}

/* A guest executes one DIAGNOSE, and then waits. */
static void memory_fill(void)
{
	const struct {
		uint32_t insns[2];
		struct psw done;
	} code = {
		{ DIAG_2_4_500, 0xb2b20000 | (EXECUTE_AT + 8) },
		{ PSW_MASK_NO_DAT | PSW_MASK_WAIT, AT_DONE },
	};
	const struct psw pgm = { PSW_MASK_NO_DAT | PSW_MASK_WAIT, AT_PGM };
	size_t i;

	/* Each process provides its pages at once, see wrap.c. */
	for (i = 0; i < SEGMENT; i += 4096)
		*(volatile uint8_t *)(memory + i) = 0;
	memcpy(memory + EXECUTE_AT, &code, sizeof(code));
	memcpy(memory + LC_PGM_NEW_PSW, &pgm, sizeof(pgm));
}

static void memory_create(void)
{
	memory = (void *)(((uintptr_t)map_shared(2 * SEGMENT) + SEGMENT - 1) & -SEGMENT);
	memory_fill();
}

static int ioeventfd(const struct tiny *t, uint64_t queue, uint32_t flags)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = queue,
		.addr = SCHID,
		.len = 8,
		.fd = t->event,
		.flags = KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY | KVM_IOEVENTFD_FLAG_DATAMATCH |
			 flags,
	};

	return ioctl(t->fd, KVM_IOEVENTFD, &ioeventfd);
}

static void tiny_destroy(struct tiny *t)
{
	if (t->vcpu.run)
		munmap(t->vcpu.run, sizeof(*t->vcpu.run));
	if (t->vcpu.fd >= 0)
		close(t->vcpu.fd);
	if (t->event >= 0)
		close(t->event);
	if (t->fd >= 0)
		close(t->fd);
}

/* Returns 0 or an errno. With run_at, the vCPU's kvm_run is mapped there. */
static int tiny_create(struct tiny *t, void *run_at)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = SEGMENT, .userspace_addr = (uintptr_t)memory,
	};
	struct kvm_enable_cap css = { .cap = KVM_CAP_S390_CSS_SUPPORT };
	void *run;
	int error;

	*t = (struct tiny){ .event = -1, .creator = gettid(), .vcpu = { .fd = -1 } };
	t->fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (t->fd < 0 || ioctl(t->fd, KVM_SET_USER_MEMORY_REGION, &region))
		goto failed;
	t->vcpu.fd = ioctl(t->fd, KVM_CREATE_VCPU, 0);
	if (t->vcpu.fd < 0)
		goto failed;
	run = mmap(run_at, sizeof(*t->vcpu.run), PROT_READ | PROT_WRITE,
		   MAP_SHARED | (run_at ? MAP_FIXED : 0), t->vcpu.fd, 0);
	if (run == MAP_FAILED)
		goto failed;
	t->vcpu.run = run;
	t->event = eventfd(0, EFD_NONBLOCK);
	if (t->event < 0 || ioctl(t->vcpu.fd, KVM_ENABLE_CAP, &css) || ioeventfd(t, 0, 0))
		goto failed;
	return 0;

failed:
	error = errno;
	tiny_destroy(t);
	return error;
}

static void create(struct tiny *t)
{
	int error = tiny_create(t, NULL);

	TEST_ASSERT(!error, "creating a VM: %s", strerror(error));
}

/*
 * Has the guest issue one notification. Returns r2, or ANSWERED_BY_USERSPACE after an exit.
 * Sets errno to that of KVM_RUN, or to 0.
 */
static int64_t notify(struct tiny *t, uint64_t queue, int64_t cookie)
{
	struct kvm_run *run = t->vcpu.run;
	__u64 *gprs = run->s.regs.gprs;

	gprs[1] = 3;
	gprs[2] = SCHID;
	gprs[3] = queue;
	gprs[4] = cookie;
	run->kvm_dirty_regs = KVM_SYNC_GPRS;
	run->psw_mask = PSW_MASK_NO_DAT;
	run->psw_addr = EXECUTE_AT;
	errno = 0;
	while (ioctl(t->vcpu.fd, KVM_RUN, NULL))
		if (errno != EINTR)
			return 0;
	errno = 0;
	if (at_diagnose(&t->vcpu, 0x500))
		return ANSWERED_BY_USERSPACE;
	TEST_ASSERT(at_wait(&t->vcpu, AT_DONE), "unexpected exit %u, PSW %llx %llx",
		    run->exit_reason, run->psw_mask, run->psw_addr);
	return gprs[2];
}

/* The number of files that the module shows. */
static int files(void)
{
	DIR *dir = opendir(COUNTERS);
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void shell(const char *command)
{
	TEST_ASSERT(!system(command), "%s", command);
}

/*
 * Two kinds of reports in the kernel log are not faults here. The OOM killer's reports have a
 * call trace. KVM 6.12 warns when it frees a VM that it could not create. log_end() leaves
 * these lines out of /out/log.faults, which commands.sh checks at the end.
 */
#define NO_FAULTS	"'Call Trace|WARNING.* kvm_s390_pci_clear_list'"

static void log_begin(void)
{
	shell("dmesg -c >> /out/log.before");
}

static void log_end(void)
{
	shell("dmesg -c | grep -vE " NO_FAULTS " >> /out/log.faults");
}

static pid_t start(void (*run)(void *), void *arg)
{
	pid_t pid = fork();

	TEST_ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(arg);
		_exit(0);
	}
	return pid;
}

static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* VMs that are created and destroyed while the module is loaded and unloaded */

#define CHURNERS	2
#define CHURN_CYCLES	9
/* VMs that are created while the module is loaded for the last time */
#define CHURN_LAST	100
#define CHURN_SERVED	3
#define CHURN_EXITS	2
#define KVM_NO_SUCH_TYPE 0x10

static struct churn {
	bool stop, pause;
	struct churner {
		bool idle;
		uint64_t vms, issued, wrong;
	} of[CHURNERS];
} *churn;

static void churn_once(struct churner *c)
{
	uint64_t exits = 0;
	struct tiny t;
	int i;

	/* KVM creates a part of this VM, and destroys it again. */
	c->wrong += ioctl(kvm_fd, KVM_CREATE_VM, KVM_NO_SUCH_TYPE) >= 0;
	create(&t);
	for (i = 0; i < CHURN_SERVED; i++)
		c->wrong += notify(&t, 0, i - 1) != 0;
	for (i = 0; i < CHURN_EXITS; i++)
		exits += notify(&t, 1, 0) == ANSWERED_BY_USERSPACE;
	c->wrong += eventfd_take(t.event) != CHURN_SERVED || exits != CHURN_EXITS;
	tiny_destroy(&t);
	WRITE_ONCE(c->issued, c->issued + CHURN_SERVED + CHURN_EXITS);
	WRITE_ONCE(c->vms, c->vms + 1);
}

static void run_churner(void *arg)
{
	struct churner *c = arg;

	memory_create();
	while (!READ_ONCE(churn->stop)) {
		WRITE_ONCE(c->idle, READ_ONCE(churn->pause));
		if (c->idle)
			usleep(1000);
		else
			churn_once(c);
	}
}

static bool all_idle(bool idle)
{
	int i;

	for (i = 0; i < CHURNERS; i++)
		if (READ_ONCE(churn->of[i].idle) != idle)
			return false;
	return true;
}

static uint64_t churned(uint64_t *issued)
{
	uint64_t vms = 0;
	int i;

	*issued = 0;
	for (i = 0; i < CHURNERS; i++) {
		vms += READ_ONCE(churn->of[i].vms);
		*issued += READ_ONCE(churn->of[i].issued);
	}
	return vms;
}

static bool churn_on(uint64_t vms)
{
	uint64_t issued, goal = churned(&issued) + vms;

	return WAIT(churned(&issued) >= goal);
}

/* Pauses until no VM is left. Then the module shows only the total, which is read. */
static bool churn_pause(uint64_t *issued, uint64_t *counted)
{
	bool paused;

	WRITE_ONCE(churn->pause, true);
	paused = WAIT(all_idle(true)) && WAIT(files() == 1);
	churned(issued);
	*counted = module_counted("");
	WRITE_ONCE(churn->pause, false);
	return paused && WAIT(all_idle(false));
}

static void test_churn(void)
{
	uint64_t issued[2], counted[2], vms, all, in_total = 0, wrong = 0;
	bool went_on = true, paused = true, exact = true;
	pid_t pids[CHURNERS];
	int i, cycle, left;

	log_begin();
	/* Each load and unload waits for grace periods. */
	write_to("/sys/kernel/rcu_expedited", "1");
	churn = map_shared(sizeof(*churn));
	for (i = 0; i < CHURNERS; i++)
		pids[i] = start(run_churner, &churn->of[i]);
	for (cycle = 0; went_on && cycle < CHURN_CYCLES; cycle++) {
		goes_on();
		went_on = churn_on(2);
		module_attach(cycle % 2 ? "claim=0x500" : "");
		if (cycle % 3 == 0) {
			paused = paused && churn_pause(&issued[0], &counted[0]);
			went_on = went_on && churn_on(10);
			paused = paused && churn_pause(&issued[1], &counted[1]);
			exact = exact && issued[1] - issued[0] == counted[1] - counted[0];
			in_total += issued[1] - issued[0];
		}
		went_on = went_on && churn_on(2);
		module_detach();
	}
	module_attach("");
	for (i = 0; went_on && i < CHURN_LAST; i++) {
		goes_on();
		went_on = churn_on(1);
	}
	WRITE_ONCE(churn->stop, true);
	for (i = 0; i < CHURNERS; i++) {
		went_on = ended_well(pids[i]) && went_on;
		wrong += churn->of[i].wrong;
	}
	vms = churned(&all);
	ksft_test_result(went_on, "VMs come and go, %" PRIu64 " of them, in %d loads and unloads\n",
			 vms, cycle);
	ksft_test_result(!wrong, "each of %" PRIu64 " notifications is accounted for\n", all);
	ksft_test_result(exact && in_total, "the module counts each of %" PRIu64 " in between\n",
			 in_total);
	ksft_test_result(paused, "no file stays when its VM is gone\n");
	WAIT(files() == 1);
	left = files() - 1;
	ksft_test_result(!left, "%d files stay in a load with %d VMs and more\n", left,
			 CHURN_LAST);
	module_detach();
	module_attach("");
	ksft_test_result(files() == 1 && !module_counted(""), "the next load starts from zero\n");
	module_detach();
	write_to("/sys/kernel/rcu_expedited", "0");
	log_end();
}

/* A thousand VMs at once */

#define VMS	1000

static uint64_t mem_available_kb(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	uint64_t kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* Neighbours differ in each of their counts. */
struct counts {
	uint64_t cookie, search, no_device;
};

static struct counts counts_of(int i)
{
	return (struct counts){ 1 + i % 7, 1 + i % 5, 1 + i % 3 };
}

static bool file_is_right(const struct tiny *t, const struct counts *counts)
{
	char path[128], name[64];
	int matches = 0;
	uint64_t value;
	FILE *f;

	snprintf(path, sizeof(path), COUNTERS "/%d-%d", t->creator, t->fd);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fscanf(f, "%63s %" SCNu64, name, &value) == 2)
		matches += value == (!strcmp(name, "served_cookie") ? counts->cookie :
				     !strcmp(name, "served_search") ? counts->search :
				     !strcmp(name, "forwarded_no_device") ? counts->no_device : 0);
	fclose(f);
	return matches == 9;
}

static struct tiny thousand[VMS];
static bool create_failed;

static void *create_half(void *first)
{
	long i;

	for (i = (long)first; i < VMS; i += 2)
		if (tiny_create(&thousand[i], NULL))
			WRITE_ONCE(create_failed, true);
	return NULL;
}

static void *destroy_half(void *first)
{
	long i;

	for (i = (long)first; i < VMS; i += 2)
		tiny_destroy(&thousand[i]);
	return NULL;
}

/* Two threads, each with every second VM. */
static void in_halves(void *(*half)(void *first))
{
	pthread_t thread;

	TEST_ASSERT(!pthread_create(&thread, NULL, half, (void *)1), "pthread_create");
	half((void *)0);
	pthread_join(thread, NULL);
}

static void test_thousand(void)
{
	const struct counts none = {};
	struct rlimit nofile = { 4 * VMS, 4 * VMS };
	uint64_t sum = 0, kb, created_ms, begin = now_ns();
	int i, round, new = 0, answered = 0, right = 0;
	struct tiny *vms = thousand;
	struct counts counts;
	bool all_files;

	TEST_ASSERT(!setrlimit(RLIMIT_NOFILE, &nofile), "RLIMIT_NOFILE: %s", strerror(errno));
	/* Except for the first VM of each thread, KVM logs a line for each VM. */
	log_begin();
	memory_create();
	module_attach("");
	kb = mem_available_kb();
	in_halves(create_half);
	goes_on();
	kb -= mem_available_kb();
	created_ms = (now_ns() - begin) / 1000000;
	TEST_ASSERT(!create_failed, "a VM could not be created");
	ksft_test_result(true, "%d VMs exist at once, after %" PRIu64 " ms, with %" PRIu64
			 " kB each\n", VMS, created_ms, kb / VMS);
	all_files = WAIT(files() == VMS + 1);
	for (i = 0; i < VMS; i++)
		new += file_is_right(&vms[i], &none);
	ksft_test_result(all_files && new == VMS,
			 "each has its file before its first intercept: %d\n", new);

	/* Each notification comes from another VM than the one that the CPU has cached. */
	for (round = 0; round < 7; round++) {
		goes_on();
		for (i = 0; i < VMS; i++) {
			counts = counts_of(i);
			if (round < counts.cookie)
				answered += notify(&vms[i], 0, 0) == 0;
			if (round < counts.search)
				answered += notify(&vms[i], 0, -1) == 0;
			if (round < counts.no_device)
				answered += notify(&vms[i], 1, 0) == ANSWERED_BY_USERSPACE;
		}
	}
	ksft_print_msg("notified after %" PRIu64 " ms\n", (now_ns() - begin) / 1000000);
	for (i = 0; i < VMS; i++) {
		counts = counts_of(i);
		sum += counts.cookie + counts.search + counts.no_device;
		right += file_is_right(&vms[i], &counts) &&
			 eventfd_take(vms[i].event) == counts.cookie + counts.search;
	}
	ksft_test_result(answered == sum, "each of %" PRIu64 " notifications is answered\n", sum);
	ksft_test_result(right == VMS, "each file has the counts of its own VM: %d\n", right);
	ksft_print_msg("read after %" PRIu64 " ms\n", (now_ns() - begin) / 1000000);
	goes_on();
	in_halves(destroy_half);
	ksft_print_msg("destroyed after %" PRIu64 " ms\n", (now_ns() - begin) / 1000000);
	ksft_test_result(WAIT(files() == 1), "no file stays when all VMs are gone\n");
	ksft_test_result(module_counted("") == sum, "the total keeps the counts of all VMs\n");
	module_detach();
	log_end();
}

/* VMs whose creation fails */

#define FAILURES	10000

/* Does a yield of the guest exit to this program? */
static bool yield_exits(struct tiny *t)
{
	const uint32_t diag_44 = 0x83000044, diag_500 = DIAG_2_4_500;
	bool exits;

	memcpy(memory + EXECUTE_AT, &diag_44, sizeof(diag_44));
	t->vcpu.run->psw_mask = PSW_MASK_NO_DAT;
	t->vcpu.run->psw_addr = EXECUTE_AT;
	TEST_ASSERT(!ioctl(t->vcpu.fd, KVM_RUN, NULL), "KVM_RUN: %s", strerror(errno));
	exits = at_diagnose(&t->vcpu, 0x44);
	TEST_ASSERT(exits || at_wait(&t->vcpu, AT_DONE), "unexpected exit");
	memcpy(memory + EXECUTE_AT, &diag_500, sizeof(diag_500));
	return exits;
}

/*
 * If a VM of an unknown type is to be created, KVM allocates the VM's structure and frees it
 * again. It does not call kvm_arch_destroy_vm(), so the module does not notice that the VM is
 * gone. The ring of a pipe of 256 slots is allocated from the same slab cache and keeps that
 * memory busy, so each VM gets another address.
 */
static void test_failed(void)
{
	const struct rlimit files_limit = { 2 * FAILURES + 100, 2 * FAILURES + 100 };
	int (*pipes)[2] = calloc(FAILURES, sizeof(*pipes));
	int i, refused = 0, large = 0;
	struct tiny t;

	TEST_ASSERT(pipes && !setrlimit(RLIMIT_NOFILE, &files_limit), "%s", strerror(errno));
	memory_create();
	log_begin();
	module_attach("claim=all");
	for (i = 0; i < FAILURES; i++) {
		refused += ioctl(kvm_fd, KVM_CREATE_VM, 2) < 0 && errno == EINVAL;
		TEST_ASSERT(!pipe(pipes[i]), "pipe: %s", strerror(errno));
		large += fcntl(pipes[i][0], F_SETPIPE_SZ, 256 * 4096) == 256 * 4096;
	}
	ksft_test_result(refused == FAILURES && large == FAILURES,
			 "%d of %d creations fail, and their memory is busy\n", refused, FAILURES);
	create(&t);
	ksft_test_result(yield_exits(&t), "claim=all: 0x44 of a new VM goes to userspace\n");
	ksft_test_result(notify(&t, 0, 0) == 0 && eventfd_take(t.event) == 1 &&
			 module_counted("served_cookie") == 1,
			 "a notification of the new VM is served and counted\n");
	ksft_test_result(WAIT(files() == 2), "the new VM has its file\n");
	tiny_destroy(&t);
	ksft_test_result(WAIT(files() == 1), "no file stays when the VM is gone\n");
	for (i = 0; i < FAILURES; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	free(pipes);
	module_detach();
	log_end();
}

/* VMs that end while the CPU that has cached them is offline */

#define OFFLINE_CYCLES	3

static void run_on_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	TEST_ASSERT(!sched_setaffinity(0, sizeof(cpus), &cpus), "CPU %d: %s", cpu,
		    strerror(errno));
}

/*
 * Most likely the third VM gets the address that the second VM had, and its counters get the
 * memory of the first VM's counters. If CPU 1 mistook the third VM for the second VM, CPU 1
 * would count in the wrong place.
 */
static void test_offline(void)
{
	const char *online = "/sys/devices/system/cpu/cpu1/online";
	const struct counts second_counts = { .cookie = 1 }, third_counts = { .search = 1 };
	struct tiny first, second, third;
	int i, right = 0;

	memory_create();
	module_attach("");
	for (i = 0; i < OFFLINE_CYCLES; i++) {
		goes_on();
		run_on_cpu(0);
		create(&first);
		create(&second);
		run_on_cpu(1);
		right += notify(&second, 0, 0) == 0;
		/* Moves this process to CPU 0. */
		write_to(online, "0");
		right += WAIT(file_is_right(&second, &second_counts));
		tiny_destroy(&first);
		tiny_destroy(&second);
		right += WAIT(files() == 1);
		create(&third);
		write_to(online, "1");
		run_on_cpu(1);
		right += notify(&third, 0, -1) == 0;
		right += WAIT(file_is_right(&third, &third_counts));
		tiny_destroy(&third);
	}
	ksft_test_result(right == 5 * OFFLINE_CYCLES,
			 "each VM has its own counts when the CPU that has cached another is back\n");
	ksft_test_result(module_counted("") == 2 * OFFLINE_CYCLES,
			 "the total has the counts of all VMs\n");
	module_detach();
	/* The emulated CPU is in the state that it has after a boot. */
	shell("sh ./first-guests.sh");
}

/* A memory cgroup that is too small */

#define CGROUP		CGROUPS "/kvm-s390-diag"
#define CGROUP_BYTES	"8388608"
#define SMALL_VMS	64
#define LARGE_BUSES	3
#define QUEUES		200	/* of each large bus; a bus with that many slots needs two pages */
#define NO_QUEUE	900

static struct shortage {
	uint64_t issued, answered, failed_runs, events;
	int created, failed, gone;
} *shortage;

static void cgroup_create(void)
{
	cgroups_mount();
	TEST_ASSERT(!mkdir(CGROUP, 0755) || errno == EEXIST, CGROUP ": %s", strerror(errno));
	write_to(CGROUP "/memory.max", CGROUP_BYTES);
}

static void count_notify(struct tiny *t, uint64_t queue, int64_t cookie, int64_t expected)
{
	int64_t r2 = notify(t, queue, cookie);

	if (errno) {
		shortage->failed_runs++;
		return;
	}
	shortage->issued++;
	shortage->answered += r2 == expected;
}

/* A page in the pipe is charged to the cgroup. When there is no page left, the write fails. */
static void take_all_memory(int pipe)
{
	static const char page[4096];

	while (write(pipe, page, sizeof(page)) == sizeof(page))
		;
	TEST_ASSERT(errno == ENOMEM, "filling a pipe: %s", strerror(errno));
}

/*
 * When a queue is unregistered, KVM allocates a smaller bus. If there is no memory for that, KVM
 * removes the whole bus. Another queue is tried if KVM has found memory after all.
 */
static void lose_bus(struct tiny *t, int pipe)
{
	int queue;
	int64_t r2;

	for (queue = QUEUES - 1; queue; queue--) {
		take_all_memory(pipe);
		ioeventfd(t, queue, KVM_IOEVENTFD_FLAG_DEASSIGN);
		r2 = notify(t, 0, 0);
		if (errno) {
			shortage->failed_runs++;
			continue;
		}
		shortage->issued++;
		shortage->answered += r2 == 0 || r2 == -ENOMEM;
		if (r2 != -ENOMEM)
			continue;
		shortage->gone++;
		return;
	}
}

static void run_in_shortage(void *unused)
{
	static struct tiny vms[SMALL_VMS];
	/*
	 * The kvm_runs are mapped over this memory, which already has page tables. A first access
	 * to a kvm_run therefore needs no memory.
	 */
	uint8_t *runs = map_shared(4 * SEGMENT) + SEGMENT;
	int i, queue, pipes[2], failures = 0;

	memory_create();
	TEST_ASSERT(!pipe2(pipes, O_NONBLOCK) &&
		    fcntl(pipes[1], F_SETPIPE_SZ, 2 * atoi(CGROUP_BYTES)) > 0,
		    "a pipe that holds more than the cgroup: %s", strerror(errno));
	TEST_ASSERT(!mlockall(MCL_CURRENT), "mlockall: %s", strerror(errno));
	/* The OOM killer spares this process. Its system calls fail instead. */
	write_to("/proc/self/oom_score_adj", "-1000");
	write_to(CGROUP "/cgroup.procs", "0");

	for (i = 0; i < SMALL_VMS && failures < 3; ) {
		if (tiny_create(&vms[i], runs + i * 4096)) {
			failures++;
			continue;
		}
		for (queue = 1; i < LARGE_BUSES && queue < QUEUES; queue++)
			ioeventfd(&vms[i], queue, 0);
		count_notify(&vms[i], 0, 0, 0);
		count_notify(&vms[i], 0, -1, 0);
		count_notify(&vms[i], NO_QUEUE, 0, ANSWERED_BY_USERSPACE);
		i++;
	}
	shortage->created = i;
	shortage->failed = failures;
	for (i = 0; i < LARGE_BUSES && i < shortage->created; i++)
		lose_bus(&vms[i], pipes[1]);
	for (i = 0; i < shortage->created; i++) {
		shortage->events += eventfd_take(vms[i].event);
		tiny_destroy(&vms[i]);
	}
}

/* A guest that notifies for ever. It counts its notifications at the address in GPR 7. */
static const uint16_t endless[] = {
	0xb904, 0x0025,			/* lgr	%r2,%r5 */
	0x8324, 0x0500,			/* diag	%r2,%r4,0x500 */
	0xa76b, 0x0001,			/* aghi	%r6,1 */
	0xe360, 0x7000, 0x0024,		/* stg	%r6,0(%r7) */
	0xa7f4, 0xfff7,			/* j	to the lgr */
};

#define ISSUED_AT	0x3000

static void *run_endless(void *arg)
{
	struct tiny *t = arg;
	struct kvm_run *run = t->vcpu.run;
	__u64 *gprs = run->s.regs.gprs;

	memcpy(memory + EXECUTE_AT, endless, sizeof(endless));
	memset(gprs, 0, sizeof(run->s.regs.gprs));
	gprs[1] = 3;
	gprs[3] = 1;
	gprs[5] = SCHID;
	gprs[7] = ISSUED_AT;
	run->kvm_dirty_regs = KVM_SYNC_GPRS;
	run->psw_mask = PSW_MASK_NO_DAT;
	run->psw_addr = EXECUTE_AT;
	ioctl(t->vcpu.fd, KVM_RUN, NULL);
	return NULL;
}

/* Takes all memory of the cgroup while its guest notifies, until it is killed. */
static void run_until_killed(void *event)
{
	uint64_t *issued = (void *)(memory + ISSUED_AT);
	pthread_t thread;
	struct tiny t;

	memory_fill();
	write_to(CGROUP "/cgroup.procs", "0");
	TEST_ASSERT(!tiny_create(&t, NULL), "creating a VM: %s", strerror(errno));
	/* The parent reads the eventfd of queue 1. */
	t.event = *(int *)event;
	TEST_ASSERT(!ioeventfd(&t, 1, 0), "KVM_IOEVENTFD: %s", strerror(errno));
	TEST_ASSERT(!pthread_create(&thread, NULL, run_endless, &t), "pthread_create");
	TEST_ASSERT(WAIT(READ_ONCE(*issued) > 100), "the guest does not run");
	for (;;)
		map_shared(SEGMENT);
}

static void test_shortage(void)
{
	bool well = ended_well(start(run_in_shortage, NULL));
	struct shortage *s = shortage;

	ksft_test_result(well && s->created && s->failed,
			 "%d VMs could be created, %d could not\n", s->created, s->failed);
	ksft_test_result(s->issued && s->answered == s->issued,
			 "each of %" PRIu64 " notifications is answered; KVM_RUN failed %" PRIu64
			 " times\n", s->issued, s->failed_runs);
	ksft_test_result(s->gone == LARGE_BUSES && module_counted("bus_gone") == s->gone,
			 "%d VMs lost their bus, and their guests got -ENOMEM\n", s->gone);
	ksft_test_result(module_counted("") == s->issued &&
			 module_counted("served") == s->events,
			 "the module counts each of them\n");
	ksft_test_result(WAIT(files() == 1), "no file stays when the VMs are gone\n");
}

static void test_oom_kill(void)
{
	uint64_t served = module_counted("served"), *issued, events;
	int status, event = eventfd(0, EFD_NONBLOCK);
	pid_t pid;

	memory_create();
	issued = (void *)(memory + ISSUED_AT);
	pid = start(run_until_killed, &event);
	waitpid(pid, &status, 0);
	events = eventfd_take(event);
	served = module_counted("served") - served;
	ksft_test_result(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && *issued > 100,
			 "the OOM killer ends a VM after %" PRIu64 " notifications\n", *issued);
	/* The guest counts a notification after it was served, and may be killed in between. */
	ksft_test_result(served == events && events - *issued <= 1,
			 "each is accounted for: %" PRIu64 " served, %" PRIu64 " eventfd counts\n",
			 served, events);
	ksft_test_result(WAIT(files() == 1), "no file stays when the VM was killed\n");
}

static void test_memory(void)
{
	log_begin();
	shortage = map_shared(sizeof(*shortage));
	cgroup_create();
	module_attach("");
	test_shortage();
	test_oom_kill();
	module_detach();
	TEST_ASSERT(!rmdir(CGROUP), CGROUP ": %s", strerror(errno));
	log_end();
}

int main(int argc, char *argv[])
{
	const char *name = argc == 2 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	goes_on();
	kvm_fd = open_path_or_exit(KVM_DEV_PATH, O_RDWR | O_CLOEXEC);
	if (!strcmp(name, "churn"))
		test_churn();
	else if (!strcmp(name, "thousand"))
		test_thousand();
	else if (!strcmp(name, "failed"))
		test_failed();
	else if (!strcmp(name, "offline"))
		test_offline();
	else if (!strcmp(name, "memory"))
		test_memory();
	else
		ksft_exit_fail_msg("faults churn | thousand | failed | offline | memory\n");
	return ksft_end();
}
