# SPDX-License-Identifier: GPL-2.0-only
#
# Installs on the host itself, or below DESTDIR. See Documentation/installing.rst.
prefix ?= /usr/local
bindir ?= $(prefix)/bin
mandir ?= $(prefix)/share/man
sysconfdir ?= /etc

# INSTALL_MOD_DIR is relative to /lib/modules/RELEASE, as in kbuild. depmod prefers
# modules in "updates".
INSTALL_MOD_DIR ?= updates
RELEASE ?= $(or $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' \
	"$(KDIR)/include/generated/utsrelease.h"),$(error no kernel headers in $(KDIR); \
	name the kernel with RELEASE=))
MODDIR = $(DESTDIR)/lib/modules/$(RELEASE)/$(INSTALL_MOD_DIR)

PROGRAM = $(DESTDIR)$(bindir)/kvm-s390-diag-stat
MANUAL = $(DESTDIR)$(mandir)/man1/kvm-s390-diag-stat.1
ETC = $(DESTDIR)$(sysconfdir)
CONFIGS = modprobe.d/kvm-s390-diag.conf modules-load.d/kvm-s390-diag.conf

##@ On an s390 host
# With AUTOLOAD=1 the module is loaded at boot.
install: module	## install the module, kvm-s390-diag-stat, its manual and the options
	@[ -n "$(DESTDIR)" ] || [ "$$(uname -m)" = s390x ] || \
		{ echo "make: this machine is not s390; name a folder with DESTDIR=" >&2; exit 1; }
	@# kbuild's own depmod would also write below DESTDIR, so it is disabled here.
	$(KBUILD) M="$(CURDIR)" INSTALL_MOD_PATH="$(abspath $(DESTDIR))" \
		INSTALL_MOD_DIR="$(INSTALL_MOD_DIR)" cmd_depmod=: modules_install
	$(if $(DESTDIR),,depmod "$(RELEASE)")
	install -D -m 755 tools/kvm-s390-diag-stat "$(PROGRAM)"
	install -D -m 644 tools/kvm-s390-diag-stat.1 "$(MANUAL)"
	@for file in $(if $(AUTOLOAD),$(CONFIGS),$(firstword $(CONFIGS))); do \
		to="$(ETC)/$$file"; \
		if [ -e "$$to" ] && ! cmp -s "dist/$$file" "$$to"; then \
			echo "$$to was changed and stays; the new one is $$to.new"; \
			to="$$to.new"; \
		fi; \
		echo "install -D -m 644 dist/$$file $$to"; \
		install -D -m 644 "dist/$$file" "$$to" || exit; \
	done

uninstall:	## remove what "make install" installed; changed options stay
	rm -f "$(MODDIR)"/kvm-s390-diag.ko "$(MODDIR)"/kvm-s390-diag.ko.gz \
		"$(MODDIR)"/kvm-s390-diag.ko.xz "$(MODDIR)"/kvm-s390-diag.ko.zst
	@[ ! -d "$(MODDIR)" ] || rmdir --ignore-fail-on-non-empty "$(MODDIR)"
	$(if $(DESTDIR),,depmod "$(RELEASE)")
	rm -f "$(PROGRAM)" "$(MANUAL)"
	@for file in $(CONFIGS); do \
		to="$(ETC)/$$file"; \
		rm -f "$$to.new"; \
		if [ -e "$$to" ] && ! cmp -s "dist/$$file" "$$to"; then \
			echo "$$to was changed and stays"; \
		else \
			echo "rm -f $$to"; \
			rm -f "$$to"; \
		fi; \
	done
	@[ -n "$(DESTDIR)" ] || [ ! -d /sys/module/kvm_s390_diag ] || \
		echo "the module is still loaded; rmmod kvm_s390_diag unloads it"

upgrade: install	## install, and replace the loaded module while guests run
	@[ -z "$(DESTDIR)" ] || \
		{ echo "make: upgrade replaces the loaded module; it takes no DESTDIR" >&2; exit 1; }
	[ ! -d /sys/module/kvm_s390_diag ] || rmmod kvm_s390_diag
	modprobe kvm-s390-diag
	@echo "loaded: kvm-s390-diag $$(cat /sys/module/kvm_s390_diag/version)"

.PHONY: install uninstall upgrade
