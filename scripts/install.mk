# SPDX-License-Identifier: GPL-2.0-only
#
# Installs on the host itself, or below DESTDIR. The packages in debian/ and dist/rpm use
# the same targets. See Documentation/installing.rst.
prefix ?= /usr/local
bindir ?= $(prefix)/bin
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
includedir ?= $(prefix)/include
unitdir ?= $(prefix)/lib/systemd/system

# modprobe, udev and systemd read these folders, whatever prefix is.
modprobedir ?= /usr/lib/modprobe.d
udevrulesdir ?= /usr/lib/udev/rules.d
modulesloaddir ?= /usr/lib/modules-load.d

# INSTALL_MOD_DIR is relative to /lib/modules/RELEASE, as in kbuild. depmod prefers
# modules in "updates".
INSTALL_MOD_DIR ?= updates
RELEASE ?= $(or $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' \
	"$(KDIR)/include/generated/utsrelease.h"),$(error no kernel headers in $(KDIR); \
	name the kernel with RELEASE=))
MODDIR = $(DESTDIR)/lib/modules/$(RELEASE)/$(INSTALL_MOD_DIR)
DKMS_VERSION = $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
DKMS_DIR = /usr/src/kvm-s390-diag-$(DKMS_VERSION)

# Files that are installed unchanged, as FILE:TARGET. For a new file, add its target to %files in
# dist/rpm/kvm-s390-diag.spec as well; the Debian packages need no change. WITH_MODULE are the
# files that belong to the module.
TOOLS = \
	tools/kvm-s390-diag-stat:$(bindir)/kvm-s390-diag-stat \
	tools/kvm-s390-diag-stat.1:$(mandir)/man1/kvm-s390-diag-stat.1 \
	tools/kvm-s390-diag-stat.bash:$(datadir)/bash-completion/completions/kvm-s390-diag-stat \
	dist/systemd/kvm-s390-diag-prometheus.service:$(unitdir)/kvm-s390-diag-prometheus.service \
	dist/systemd/kvm-s390-diag-prometheus.timer:$(unitdir)/kvm-s390-diag-prometheus.timer \
	dist/prometheus/kvm-s390-diag.rules.yml:$(datadir)/kvm-s390-diag/kvm-s390-diag.rules.yml
WITH_MODULE = \
	dist/modprobe.d/kvm-s390-diag.conf:$(modprobedir)/kvm-s390-diag.conf \
	dist/udev/60-kvm-s390-diag.rules:$(udevrulesdir)/60-kvm-s390-diag.rules \
	kvm_s390_diag.h:$(includedir)/kvm_s390_diag.h \
	tools/kvm-s390-diag.4:$(mandir)/man4/kvm-s390-diag.4
AT_BOOT = dist/modules-load.d/kvm-s390-diag.conf:$(modulesloaddir)/kvm-s390-diag.conf
DKMS_SOURCES = $(foreach file,dkms.conf Kbuild \
	$(filter-out %.mod.c scripts/install.mk,$(wildcard *.[ch] scripts/*)),$(file):$(DKMS_DIR)/$(file))

# $(call install_files,FILE:TARGET...): a file that can be executed stays so.
define install_file
	install -D -m $(if $(shell test -x $(1) && echo yes),755,644) $(1) "$(DESTDIR)$(2)"

endef
pair = $(call $(1),$(firstword $(subst :, ,$(2))),$(lastword $(subst :, ,$(2))))
install_files = $(foreach entry,$(1),$(call pair,install_file,$(entry)))
remove_files = rm -f $(foreach entry,$(1),"$(DESTDIR)$(lastword $(subst :, ,$(entry)))")

##@ On an s390 host
install: install-module install-tools	## install the module, its options and the tools

# With AUTOLOAD=1 the module is loaded at boot.
install-module: on-s390 module	## install the module and what belongs to it (AUTOLOAD=)
	@# kbuild would run depmod even if DESTDIR is set, and put depmod's files into a package. It
	@# is disabled here; the next command runs depmod if DESTDIR is empty.
	$(KBUILD) M="$(CURDIR)" INSTALL_MOD_PATH="$(abspath $(DESTDIR))" \
		INSTALL_MOD_DIR="$(INSTALL_MOD_DIR)" cmd_depmod=: modules_install
	$(if $(DESTDIR),,depmod "$(RELEASE)")
	$(call install_files,$(WITH_MODULE) $(if $(AUTOLOAD),$(AT_BOOT)))
	$(options_are_read)

install-tools: on-s390	## install kvm-s390-diag-stat, its manual and the units for Prometheus
	$(call install_files,$(TOOLS))

install-dkms: on-s390	## the same with DKMS (AUTOLOAD=)
	$(call install_files,$(DKMS_SOURCES) $(WITH_MODULE) $(if $(AUTOLOAD),$(AT_BOOT)))
	$(options_are_read)
	$(if $(DESTDIR),,dkms install kvm-s390-diag/$(DKMS_VERSION))

# Without its options the module claims every function code.
options_are_read = @[ -n "$(DESTDIR)" ] || modprobe -c | grep -q '^options kvm.s390.diag ' || \
	{ echo "make: modprobe finds no options for kvm-s390-diag in $(modprobedir);" \
		"name a folder that it reads with modprobedir=" >&2; exit 1; }

on-s390:
	@[ -n "$(DESTDIR)" ] || [ "$$(uname -m)" = s390x ] || \
		{ echo "make: this machine is not s390; name a folder with DESTDIR=" >&2; exit 1; }

uninstall: uninstall-module uninstall-tools	## remove what "make install" installed

uninstall-module:
	rm -f "$(MODDIR)"/kvm-s390-diag.ko "$(MODDIR)"/kvm-s390-diag.ko.gz \
		"$(MODDIR)"/kvm-s390-diag.ko.xz "$(MODDIR)"/kvm-s390-diag.ko.zst
	@[ ! -d "$(MODDIR)" ] || rmdir --ignore-fail-on-non-empty "$(MODDIR)"
	$(if $(DESTDIR),,depmod "$(RELEASE)")
	$(call remove_files,$(WITH_MODULE) $(AT_BOOT))
	$(still_loaded)

uninstall-tools:
	$(call remove_files,$(TOOLS))
	@[ ! -d "$(DESTDIR)$(datadir)/kvm-s390-diag" ] || \
		rmdir --ignore-fail-on-non-empty "$(DESTDIR)$(datadir)/kvm-s390-diag"

uninstall-dkms:	## remove what "make install-dkms" installed
	$(if $(DESTDIR),,dkms remove kvm-s390-diag/$(DKMS_VERSION) --all)
	rm -rf "$(DESTDIR)$(DKMS_DIR)"
	$(call remove_files,$(WITH_MODULE) $(AT_BOOT))
	$(still_loaded)

still_loaded = @[ -n "$(DESTDIR)" ] || [ ! -d /sys/module/kvm_s390_diag ] || \
	echo "the module is still loaded; rmmod kvm_s390_diag unloads it"

# Prints what keeps the module from being unloaded. A range of process 0 does not: the file that has
# set it is closed.
in_use = { echo "make: the loaded module is in use and stays loaded;" \
		"the new version is installed"; \
	awk '$$1 == "set" && $$4 { n = split(FILENAME, path, "/"); \
		comm = "/proc/" $$4 "/comm"; name = "?"; getline name < comm; close(comm); \
		printf "make: process %s (%s) has set the codes %s of the VM %s, and has" \
			" /dev/kvm-s390-diag open\n", $$4, name, $$2, path[n] }' \
		/sys/kernel/debug/kvm/kvm-s390-diag/*; \
	echo "make: shut down or migrate the VMs of such processes, and run make upgrade again;" \
		"Documentation/operating.rst, In an emergency, describes all causes"; } >&2

upgrade: install	## install, and replace the loaded module while guests run
	@[ -z "$(DESTDIR)" ] || \
		{ echo "make: upgrade replaces the loaded module; it takes no DESTDIR" >&2; exit 1; }
	@# Programs that read the counters have the module in use for a moment.
	for try in 1 2 3 4 5 6 7 8 9; do \
		[ -d /sys/module/kvm_s390_diag ] || break; \
		rmmod kvm_s390_diag 2> /dev/null || sleep 1; \
	done
	[ ! -d /sys/module/kvm_s390_diag ] || rmmod kvm_s390_diag || { $(in_use); exit 1; }
	modprobe kvm-s390-diag
	@echo "loaded: kvm-s390-diag $$(cat /sys/module/kvm_s390_diag/version)"

.PHONY: install install-module install-tools install-dkms on-s390 uninstall uninstall-module \
	uninstall-tools uninstall-dkms upgrade
