# SPDX-License-Identifier: GPL-2.0-only
#
# kvm-s390-diag: "make help" lists the targets.

# On an s390 machine the module is built for the running kernel. On other machines it
# is cross-compiled for the stock kernel of one of the lab's emulated hosts.
KERNEL ?= 6.1
MINUTES ?= 60
ifeq ($(shell uname -m),s390x)
KDIR ?= /lib/modules/$(shell uname -r)/build
KBUILD = $(MAKE) -C $(KDIR)
else
export DIAG_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kvm-s390-diag
KDIR ?= $(DIAG_CACHE)/host-$(KERNEL)/build
KBUILD = $(IN_CHROOT) $(MAKE) -C $(KDIR) ARCH=s390 CROSS_COMPILE=s390x-linux-gnu-
ifneq ($(KERNEL),6.1)
# Kernels newer than Debian 12's need a newer compiler.
IN_CHROOT = tests/lab/in-chroot $(KERNEL)
endif
$(DIAG_CACHE)/%/build:
	tests/lab/setup.sh $*
endif

# The module's sources, for builds in other folders.
export SOURCES = $(filter-out %.mod.c,$(wildcard $(CURDIR)/*.[ch])) $(CURDIR)/Kbuild $(CURDIR)/scripts

OUT = $(CURDIR)/build/host-$(KERNEL)
PROGRAMS = $(CURDIR)/build/selftests
HOST = tests/lab/host --kernel $(KERNEL)
# The files that tests/selftests/Makefile has collected.
LAB_FILES = $$(printf -- '--file %s ' $(OUT)/lab/*)

module: $(KDIR)	## build kvm-s390-diag.ko, the default target (KERNEL=, KDIR=)
	$(KBUILD) M=$(CURDIR) modules

clean:		## remove what was built in this tree (the lab's cache stays)
	rm -rf build
	[ ! -d "$(KDIR)" ] || $(KBUILD) M=$(CURDIR) clean

##@ In the lab (amd64 Debian 12, root)
setup:		## set up all of the lab; the other targets set up the part that they need
	tests/lab/setup.sh

setup-host:
	tests/lab/setup.sh host-$(KERNEL)

setup-kunit setup-docs setup-install setup-guests setup-prove setup-builds:
	tests/lab/setup.sh $(@:setup-%=%)

# The files for the host are built in $(OUT), so that targets for different hosts can run
# side by side.
PARTS = $(MAKE) -j$(shell nproc) -C tests/selftests KDIR="$(KDIR)" \
	KBUILD="$(KBUILD:tests/%=$(CURDIR)/tests/%)" OUT="$(OUT)" PROGRAMS="$(PROGRAMS)"
MODULE = $(OUT)/module/kvm-s390-diag.ko

host-parts: setup-host
	$(PARTS)

demo: host-parts	## show on an emulated host which component answers which DIAGNOSE
	$(HOST) $(LAB_FILES) tests/selftests/demo.sh

# Two parts run side by side, because an emulated host uses little more than one CPU. The long
# ones come first, so that both lanes end at about the same time. check-install and lint start many
# processes and can slow each other down. The order therefore puts each of them beside a host. What
# several parts use is built before.
LANE = $(MAKE) --no-print-directory
check: setup	## run all tests except check-builds, check-mutants, soak and the long proofs
	$(LANE) module
	$(LANE) host-parts KERNEL=6.1
	$(LANE) host-parts KERNEL=6.12
	$(LANE) host-parts KERNEL=testing
	$(LANE) guest-parts KERNEL=testing
	tests/tally --lanes 2 "$(LANE) check-guests KERNEL=testing -o guest-parts" \
		"$(LANE) check-kunit" \
		"$(LANE) check-host KERNEL=testing -o host-parts" \
		"$(LANE) check-install -o module" \
		"$(LANE) check-host KERNEL=6.12 -o host-parts" \
		"$(LANE) lint -o module" \
		"$(LANE) check-host KERNEL=6.1 -o host-parts" \
		"$(LANE) check-upgrade KERNEL=testing -o host-parts" \
		"$(LANE) check-prove" "$(LANE) check-docs" \
		"$(LANE) check-harness -o setup-host"

check-host: host-parts	## test the module on an emulated host (KERNEL=, TEST=)
	sh tests/selftests/commands.sh --list $(TEST)
	$(HOST) --cpus 2 --results $(OUT)/results $(LAB_FILES) \
		tests/selftests/commands.sh $(TEST)

soak: host-parts	## disturb guests at random for an hour; not part of check (MINUTES=, SEED=)
	echo $(MINUTES) > $(OUT)/minutes
	echo $(SEED) > $(OUT)/seed
	$(HOST) --cpus 2 --time-limit $$(($(MINUTES) * 60 + 1200)) --results $(OUT)/soak \
		$(LAB_FILES) --file $(OUT)/minutes --file $(OUT)/seed tests/selftests/soak.sh

guest-parts: setup-guests setup-host
	$(PARTS) "$(MODULE)" "$(PROGRAMS)/answers"
	$(MAKE) -C tests/guests OUT="$(OUT)/guests"

# A host with QEMU in its root folder and the files of its guests in /lab.
GUESTS = $(HOST) --cpus 2 --memory 3072 \
	--tree $(DIAG_CACHE)/guests/qemu: --tree $(OUT)/guests/lab:lab --file $(MODULE) \
	--file tools/kvm-s390-diag-stat --file $(DIAG_CACHE)/tools-s390x.tar \
	--file $(PROGRAMS)/answers \
	--file tests/selftests/first-guests.sh --file $(PROGRAMS)/kernels-own/s390x/sync_regs_test \
	$(foreach name,dummy vhost_net vhost_vsock tun loop crc32c_generic? ext4,--modprobe '$(name)')

check-guests: guest-parts	## test the module with Linux guests and virtio devices (TEST=)
	tests/guests/run --list $(TEST)
	$(GUESTS) --time-limit 7200 --results $(OUT)/guests/results \
		--driver "tests/guests/run --lab $(OUT)/guests/lab $(TEST)" tests/guests/agent.sh

guest: guest-parts	## open a shell in a guest, with the module attached on its host
	$(GUESTS) --time-limit 86400 --driver "tests/guests/play guest" tests/guests/agent.sh

host: guest-parts	## open a shell on that host
	$(GUESTS) --time-limit 86400 --driver "tests/guests/play host" tests/guests/agent.sh

check-kunit: setup-kunit	## run the KUnit suites, and check the instruction counts (SUITE=, TEST=)
	status=0; \
	tests/kunit/run $(if $(SUITE),--suite '$(SUITE)') $(if $(TEST),--test '$(TEST)') || status=1; \
	$(if $(SUITE)$(TEST),,tests/bench/insn --check || status=1;) \
	exit $$status

check-mutants: setup-kunit setup-install	## break the code on purpose; a test must fail each time (MUTANTS=)
	tests/mutants/run $(MUTANTS)

prove: setup-prove	## prove the search and the cookie check on small buses
	tests/prove/run

check-prove: setup-prove	## the same with fewer slots, in less than a minute
	status=0; \
	tests/prove/run exhaustive || status=1; \
	tests/prove/run --slots 4 symbolic || status=1; \
	exit $$status

check-harness: setup-host	## test the parts of the tests that judge results or change an image
	tests/harness

check-builds: setup-builds	## build the module for all kernels of the lab, with expolines and clang
	tests/builds

check-install: setup-install module	## test make install, DKMS, the packages and kvm-s390-diag-stat (TEST=)
	tests/install/run $(TEST)

check-upgrade: setup-install host-parts	## test the installed files on an emulated host: load, read, upgrade
	IN_CHROOT="$(IN_CHROOT:tests/%=$(CURDIR)/tests/%)" \
		tests/install/host-parts.sh $(OUT)/upgrade
	$(HOST) --stock --results $(OUT)/upgrade/results \
		--file $(OUT)/upgrade/old.tar --file $(OUT)/upgrade/new.tar \
		--file $(OUT)/upgrade/upgrade.sh --file $(PROGRAMS)/notifies:guest \
		--file $(OUT)/lab/sync_regs_test --file tests/selftests/first-guests.sh \
		--file tests/install/host.py --file $(DIAG_CACHE)/tools-s390x.tar \
		--file $(DIAG_CACHE)/udev-s390x.tar \
		tests/install/host.sh

lint: setup-kunit module	## run the kernel's and other static checks, and test the tail-jump check
	tests/lab/setup.sh host-6.12 host-testing
	status=0; \
	KBUILD="$(KBUILD)" tests/lint.sh || status=1; \
	tests/tailjump/run || status=1; \
	exit $$status

docs: setup-docs	## build the pages of Documentation/ into build/docs
	tests/docs

check-docs: setup-docs	## build the pages, and compare them with the sources
	tests/docs --check

bench-insn: setup-kunit	## count the instructions of KVM's own handler and of the module's
	tests/bench/insn

bench: host-parts	## time notifications on an emulated host, with and without the module
	$(HOST) --cpus 2 --time-limit 1800 --results $(OUT)/bench \
		$(LAB_FILES) --file $(PROGRAMS)/notify tests/bench/notify.sh
	tests/bench/notify $(OUT)/bench

help:		## list the targets and variables
	@awk -F':.*## ' '/^##@ / { print substr($$0, 5) ":" } \
		/^[a-z][a-z-]*:.*## / { printf "  make %-15s%s\n", $$1, $$2 } \
		/^##= / { print "  " substr($$0, 5) }' scripts/install.mk Makefile

include scripts/install.mk

##@ Packages
# In a git tree, packs the files that git tracks or would add. Elsewhere, packs all files
# except those in build/.
TARBALL = build/rpm/SOURCES/kvm-s390-diag-$(DKMS_VERSION).tar.gz
tarball:	## pack the sources, from which packages are built, in build/rpm/SOURCES
	@mkdir -p $(dir $(TARBALL))
	{ git ls-files -z -c -o --exclude-standard 2> /dev/null || \
		find . -path ./build -prune -o -type f -print0; } | \
		tar -c -z -f $(TARBALL) --null --files-from=- --owner=root:0 --group=root:0 \
		--transform 's,^\./,,;s,^,kvm-s390-diag-$(DKMS_VERSION)/,'

# If rpm does not manage this machine's packages, it cannot find the packages that the build needs.
rpm: tarball	## build the RPM packages in build/rpm
	rpmbuild $$(rpm -q --quiet rpm || echo --nodeps) \
		--define "_topdir $(CURDIR)/build/rpm" -ta $(TARBALL)

##@ Variables
##= KERNEL=NAME         kernel of the emulated host: 6.1 (default), 6.12, testing, experimental.
##=                     Unless this machine is s390, the module is built for the same kernel
##= TEST=NAMES          run only these tests; an unknown name lists all names
##= SUITE=GLOB          run only these KUnit suites, on one kernel and with fewer repetitions
##= MUTANTS=NAMES       try only these mutants: files, suites or names
##= MINUTES=N, SEED=N   length of the soak (default 60); seed of an earlier soak, to repeat it
##= KDIR=FOLDER         kernel headers to build against (default: the running kernel's, or KERNEL's)
##= DIAG_CACHE=FOLDER   cache of the lab (default ~/.cache/kvm-s390-diag)
##= DESTDIR=FOLDER, prefix=FOLDER, AUTOLOAD=1 and more: for install and uninstall, see
##=                     Documentation/installing.rst

.DEFAULT_GOAL := module
.PHONY: module setup setup-host setup-kunit setup-docs setup-install setup-guests setup-prove \
	setup-builds check-builds check-harness \
	host-parts guest-parts demo check check-host check-guests guest host check-kunit \
	check-mutants soak prove check-prove check-install check-upgrade lint docs check-docs \
	bench-insn bench tarball rpm clean help
