# SPDX-License-Identifier: GPL-2.0-only
#
# kvm-s390-diag: "make help" lists what there is to make.

# On an s390 machine the module is built for the running kernel. On other machines it
# is cross compiled for the stock kernel of a host of the lab.
KERNEL ?= 6.1
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
	tests/lab/setup.sh
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

docs: setup-docs	## build the pages of Documentation/ into build/docs
	tests/docs

clean:		## remove what was built in this tree (the lab's cache stays)
	rm -rf build
	[ ! -d "$(KDIR)" ] || $(KBUILD) M=$(CURDIR) clean

##@ In the lab (amd64 Debian 12, root)
setup:		## install packages, fetch kernels and headers; the targets below call it
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

check: setup	## run all tests
	tests/tally "$(MAKE) --no-print-directory lint" \
		"$(MAKE) --no-print-directory check-docs" \
		"$(MAKE) --no-print-directory check-kunit" \
		"$(MAKE) --no-print-directory check-install" \
		"$(MAKE) --no-print-directory check-host KERNEL=6.1" \
		"$(MAKE) --no-print-directory check-host KERNEL=6.12" \
		"$(MAKE) --no-print-directory check-upgrade" \
		"$(MAKE) --no-print-directory check-guests"

check-host: host-parts	## test the module on a real host (KERNEL=)
	$(HOST) --cpus 2 --time-limit 1200 --results $(OUT)/results $(LAB_FILES) \
		tests/selftests/commands.sh

guest-parts: setup-guests module
	$(MAKE) -C tests/guests OUT="$(OUT)/guests"

# A host that can run guests: QEMU in its root, what they need in its /lab.
GUESTS = $(HOST) --cpus 2 --memory 3072 \
	--tree $(DIAG_CACHE)/guests/qemu: --tree $(OUT)/guests/lab:lab --file kvm-s390-diag.ko \
	$(foreach name,vhost_net vhost_vsock tun loop crc32c_generic ext4,--modprobe $(name))

check-guests: guest-parts	## test it with Linux guests and virtio devices on a real host
	$(GUESTS) --time-limit 2400 --results $(OUT)/guests/results \
		--driver "tests/guests/run --lab $(OUT)/guests/lab" tests/guests/agent.sh

guest: guest-parts	## open a shell in a guest, with the module attached on its host
	$(GUESTS) --time-limit 86400 --driver "tests/guests/play guest" tests/guests/agent.sh

host: guest-parts	## open a shell on that host
	$(GUESTS) --time-limit 86400 --driver "tests/guests/play host" tests/guests/agent.sh

check-kunit: setup-kunit	## run the KUnit suites, and check the instruction counts
	status=0; \
	tests/kunit/run plain sanitized kcsan untraced || status=1; \
	tests/bench/insn --check || status=1; \
	exit $$status

check-install: setup-install module	## test make install, DKMS, the Debian packages and the reader
	tests/install/run
	tests/install/reader.py

check-upgrade: setup-install host-parts module	## test on a real host what was installed: load, read, upgrade
	tests/install/host-parts.sh $(OUT)/upgrade
	$(HOST) --time-limit 1200 --results $(OUT)/upgrade/results \
		--file $(OUT)/upgrade/old.tar --file $(OUT)/upgrade/new.tar \
		--file $(OUT)/upgrade/upgrade.sh --file $(PROGRAMS)/notifies:guest \
		--file $(OUT)/lab/sync_regs_test --file tests/selftests/first-guests.sh \
		--file tests/install/host.py --file $(DIAG_CACHE)/tools-s390x.tar \
		tests/install/host.sh

lint: setup-kunit module	## run checkpatch, sparse, W=1, coccinelle, kernel-doc
	KBUILD="$(KBUILD)" tests/lint.sh

check-docs: setup-docs	## build the pages, and compare them with the sources
	tests/docs --check

bench-insn: setup-kunit	## count the instructions of KVM's own handler and of this one
	tests/bench/insn

bench: host-parts	## time notifications on a real host, with and without the module
	$(HOST) --cpus 2 --time-limit 1800 --results $(OUT)/bench \
		$(LAB_FILES) --file $(PROGRAMS)/notify tests/bench/notify.sh
	tests/bench/notify $(OUT)/bench

help:		## list the targets and variables
	@awk -F':.*## ' '/^##@ / { print substr($$0, 5) ":" } \
		/^[a-z][a-z-]*:.*## / { printf "  make %-15s%s\n", $$1, $$2 } \
		/^##= / { print "  " substr($$0, 5) }' scripts/install.mk Makefile

include scripts/install.mk

##@ Variables
##= KERNEL=6.1, 6.12    kernel of the lab's host (6.1); the module is built for it as well
##= KDIR=...            headers to build against (those of the running or the lab's kernel)
##= DIAG_CACHE=...      cache of the lab (~/.cache/kvm-s390-diag)
##= DESTDIR= prefix= AUTOLOAD= and more for install: Documentation/installing.rst

.DEFAULT_GOAL := module
.PHONY: module setup setup-host setup-kunit setup-docs setup-install setup-guests host-parts \
	guest-parts demo check check-host check-guests guest host check-kunit check-install \
	check-upgrade lint docs check-docs bench-insn bench clean help
