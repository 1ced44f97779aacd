// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which function codes the module claims, and for which VMs: what VMMs have set for their VMs,
 * the parameter "claim", and the exception for VMs older than the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/cache.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "claim.h"
#include "settings.h"
#include "shortcut.h"
#include "virtio_ccw_notify.h"

struct claim claimed __ro_after_init = { .all = true };

void claim_prepare(void)
{
	static bool blocks;
	bool others;

	others = claimed.all || bitmap_weight(claimed.codes, DIAG_CODES) >
				test_bit(DIAG_KVM_VIRTIO, claimed.codes);
	if (others && !blocks)
		shortcut_block();
	else if (!others && blocks)
		shortcut_unblock();
	blocks = others;
}

enum claim_who claim_for_vm(const struct kvm *kvm, unsigned int code)
{
	if (unlikely(settings_exist())) {
		switch (settings_get(vms_settings(kvm), code)) {
		case KVM_S390_DIAG_TO_USERSPACE:
			return CLAIM_REQUESTED;
		case KVM_S390_DIAG_TO_KERNEL:
			return code == DIAG_KVM_VIRTIO ? CLAIM_MODULE : CLAIM_KVM;
		}
	}
	if (!claim_has(code))
		return CLAIM_KVM;
	if (code == DIAG_KVM_VIRTIO)
		return CLAIM_MODULE;
	return vms_seen(kvm) ? CLAIM_USERSPACE : CLAIM_KVM;
}

static int claim_parse(const char *list, unsigned long *codes, bool *all)
{
	char *copy, *rest, *token;
	int rc = 0;
	u16 code;

	*all = !strcmp(list, "all");
	if (*all)
		return 0;

	copy = kstrdup(list, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	while (!rc && (token = strsep(&rest, ","))) {
		/* Only hexadecimal with 0x is accepted: 500 and 0500 are ambiguous. */
		rc = strncmp(token, "0x", 2) ? -EINVAL : kstrtou16(token, 16, &code);
		if (rc == -ERANGE)
			pr_err("claim: '%s' is out of range, function codes are 0x0 to 0xffff; nothing attached\n",
			       token);
		else if (rc)
			pr_err("claim: '%s' is not a function code; use all, or a list like 0x500,0x501; nothing attached\n",
			       token);
		else
			__set_bit(code, codes);
	}
	kfree(copy);
	return rc;
}

static int claim_set(const char *val, const struct kernel_param *kp)
{
	unsigned long *codes = bitmap_zalloc(DIAG_CODES, GFP_KERNEL);
	bool all;
	int rc;

	if (!codes)
		return -ENOMEM;
	rc = claim_parse(val, codes, &all);
	if (!rc) {
		claimed.all = all;
		bitmap_copy(claimed.codes, codes, DIAG_CODES);
	}
	bitmap_free(codes);
	return rc;
}

static int claim_get(char *buffer, const struct kernel_param *kp)
{
	unsigned int code;
	int len = 0;

	if (claimed.all)
		return sysfs_emit(buffer, "all\n");
	for_each_set_bit(code, claimed.codes, DIAG_CODES)
		len += sysfs_emit_at(buffer, len, "%s0x%x", len ? "," : "", code);
	return len + sysfs_emit_at(buffer, len, "\n");
}

static const struct kernel_param_ops claim_ops = {
	.set = claim_set,
	.get = claim_get,
};

module_param_cb(claim, &claim_ops, NULL, 0444);
MODULE_PARM_DESC(claim, "function codes to claim from KVM: all, or a list like 0x500,0x501 (default all; use 0x500 on hosts that receive migrated guests)");
