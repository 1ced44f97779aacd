# SPDX-License-Identifier: GPL-2.0-only
#
# kvm-s390-diag: "make help" lists what there is to make.

# On an s390 machine the module is for the running kernel; elsewhere it is cross
# compiled for the stock kernel of one of the lab's hosts (KERNEL=6.1 or 6.12).
KERNEL ?= 6.1
ifeq ($(shell uname -m),s390x)
KDIR ?= /lib/modules/$(shell uname -r)/build
KBUILD = $(MAKE) -C $(KDIR)
else
export DIAG_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kvm-s390-diag
KDIR ?= $(DIAG_CACHE)/host-$(KERNEL)/build
KBUILD = $(IN_CHROOT) $(MAKE) -C $(KDIR) ARCH=s390 CROSS_COMPILE=s390x-linux-gnu-
ifneq ($(KERNEL),6.1)
# Debian 12's own tools do for its own kernel.
IN_CHROOT = tests/lab/in-chroot $(KERNEL)
endif
$(DIAG_CACHE)/%/build:
	tests/lab/setup.sh
endif

# What the module is made of, for builds of it elsewhere.
export SOURCES = $(filter-out %.mod.c,$(wildcard $(CURDIR)/*.[ch] $(CURDIR)/*.awk $(CURDIR)/Kbuild))

OUT = $(CURDIR)/build/host-$(KERNEL)
PROGRAMS = $(CURDIR)/build/selftests
HOST = tests/lab/host --kernel $(KERNEL)
# What tests/selftests/Makefile has put together.
LAB_FILES = $$(printf -- '--file %s ' $(OUT)/lab/*)

module: $(KDIR)	## build kvm-s390-diag.ko (the default)
	$(KBUILD) M=$(CURDIR) modules

setup:		## set the lab up: packages, kernels, headers (amd64 Debian 12, root)
	tests/lab/setup.sh

setup-host:
	tests/lab/setup.sh host $(if $(IN_CHROOT),host-$(KERNEL))

setup-kunit setup-docs setup-install setup-guests:
	tests/lab/setup.sh $(@:setup-%=%)

host-parts: setup-host
	$(MAKE) -C tests/selftests KDIR="$(KDIR)" KBUILD="$(KBUILD:tests/%=$(CURDIR)/tests/%)" \
		OUT="$(OUT)" PROGRAMS="$(PROGRAMS)"

demo: host-parts	## show on a real host who answers which DIAGNOSE
	$(HOST) $(LAB_FILES) tests/selftests/demo.sh

check: setup	## set up and run all tests
	tests/tally "$(MAKE) --no-print-directory lint" \
		"$(MAKE) --no-print-directory check-docs" \
		"$(MAKE) --no-print-directory check-kunit" \
		"$(MAKE) --no-print-directory check-install" \
		"$(MAKE) --no-print-directory check-host KERNEL=6.1" \
		"$(MAKE) --no-print-directory check-host KERNEL=6.12" \
		"$(MAKE) --no-print-directory check-upgrade" \
		"$(MAKE) --no-print-directory check-guests"

check-host: host-parts	## the tests on a real host (KERNEL=6.1 or 6.12)
	$(HOST) --cpus 2 --time-limit 1200 --results $(OUT)/results $(LAB_FILES) \
		tests/selftests/commands.sh

guest-parts: setup-guests module
	$(MAKE) -C tests/guests OUT="$(OUT)/guests"

# A host that can run guests: QEMU in its root, what they need in its /lab.
GUESTS = $(HOST) --cpus 2 --memory 3072 \
	--tree $(DIAG_CACHE)/guests/qemu: --tree $(OUT)/guests/lab:lab --file kvm-s390-diag.ko \
	$(foreach name,vhost_net vhost_vsock tun loop crc32c_generic ext4,--modprobe $(name))

check-guests: guest-parts	## Linux guests with virtio devices on a real host
	$(GUESTS) --time-limit 2400 --results $(OUT)/guests/results \
		--driver "tests/guests/run --lab $(OUT)/guests/lab" tests/guests/agent.sh

guest: guest-parts	## a shell in a guest with the module attached to its host
	$(GUESTS) --time-limit 86400 --driver "tests/guests/play guest" tests/guests/agent.sh

host: guest-parts	## a shell on that host
	$(GUESTS) --time-limit 86400 --driver "tests/guests/play host" tests/guests/agent.sh

check-kunit: setup-kunit	## the KUnit suites, and the guard of the instruction counts
	status=0; \
	tests/kunit/run plain sanitized kcsan untraced || status=1; \
	tests/bench/insn --check || status=1; \
	exit $$status

check-install: setup-install module	## install, DKMS, the Debian package, the reader of the counters
	tests/install/run
	tests/install/reader.py

check-upgrade: setup-install host-parts module	## what is installed, on a real host: load, read, upgrade
	tests/install/host-parts.sh $(OUT)/upgrade
	$(HOST) --time-limit 1200 --results $(OUT)/upgrade/results \
		--file $(OUT)/upgrade/old.tar --file $(OUT)/upgrade/new.tar \
		--file $(OUT)/upgrade/upgrade.sh --file $(PROGRAMS)/notifies:guest \
		--file $(OUT)/lab/sync_regs_test --file tests/selftests/first-guests.sh \
		--file tests/install/host.py --file $(DIAG_CACHE)/tools-s390x.tar \
		tests/install/host.sh

lint: setup-kunit module	## checkpatch, sparse, W=1, coccinelle, kernel-doc
	KBUILD="$(KBUILD)" tests/lint.sh

docs: setup-docs	## build the pages of Documentation/ into build/docs
	tests/docs

check-docs: setup-docs	## build the pages, and compare them with the sources
	tests/docs --check

bench-insn: setup-kunit	## count instructions: KVM's own handler and this one
	tests/bench/insn

bench: host-parts	## time notifications on a real host, with and without the module
	$(HOST) --cpus 2 --time-limit 1800 --results $(OUT)/bench \
		$(LAB_FILES) --file $(PROGRAMS)/notify tests/bench/notify.sh
	tests/bench/notify $(OUT)/bench

clean:		## remove what was built in this tree (the lab's cache stays)
	rm -rf build
	[ ! -d "$(KDIR)" ] || $(KBUILD) M=$(CURDIR) clean

help:		## list what there is to make
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

include install.mk

.DEFAULT_GOAL := module
.PHONY: module setup setup-host setup-kunit setup-docs setup-install setup-guests host-parts \
	guest-parts demo check check-host check-guests guest host check-kunit check-install \
	check-upgrade lint docs check-docs bench-insn bench clean help
