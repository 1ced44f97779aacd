// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/kvm-s390-diag, where a VMM sets who answers the DIAGNOSEs of its own VM. Who holds the
 * file descriptor of a VM may do that, also if another process has created the VM.
 */
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "device.h"
#include "settings.h"
#include "vms.h"

static_assert(sizeof(struct kvm_s390_diag_range) == 32, "the layout is fixed");

static unsigned long kvm_vm_release __ro_after_init;

/* Returns the file of a VM, with a reference to it. KVM does not export its file operations. */
static struct file *get_vm_file(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if ((unsigned long)file->f_op->release == kvm_vm_release)
		return file;
	fput(file);
	return ERR_PTR(-EINVAL);
}

static int set(struct settings_file *file, struct kvm *kvm,
	       const struct kvm_s390_diag_range *range)
{
	struct settings *settings;
	int rc;

	/* KVM holds this lock while it creates a vCPU. */
	mutex_lock(&kvm->lock);
	settings = vms_create_settings(kvm);
	rc = IS_ERR(settings) ? PTR_ERR(settings) : settings_set(settings, file, range);
	mutex_unlock(&kvm->lock);
	return rc;
}

static bool is_valid(const struct kvm_s390_diag_range *range, unsigned int cmd)
{
	if (range->flags || memchr_inv(range->pad, 0, sizeof(range->pad)))
		return false;
	if (cmd == KVM_S390_DIAG_GET)
		return range->first <= DIAG_CODES;
	return range->first <= range->last && range->last < DIAG_CODES &&
	       (range->action == KVM_S390_DIAG_TO_USERSPACE ||
		range->action == KVM_S390_DIAG_TO_KERNEL);
}

static long set_or_get(struct settings_file *file, unsigned int cmd,
		       struct kvm_s390_diag_range __user *arg)
{
	struct kvm_s390_diag_range range;
	struct file *vm_file;
	int rc;

	if (copy_from_user(&range, arg, sizeof(range)))
		return -EFAULT;
	if (!is_valid(&range, cmd))
		return -EINVAL;
	vm_file = get_vm_file(range.vm_fd);
	if (IS_ERR(vm_file))
		return PTR_ERR(vm_file);
	if (cmd == KVM_S390_DIAG_SET)
		rc = set(file, vm_file->private_data, &range);
	else
		rc = settings_find(vms_settings(vm_file->private_data), &range);
	fput(vm_file);
	if (!rc && cmd == KVM_S390_DIAG_GET && copy_to_user(arg, &range, sizeof(range)))
		return -EFAULT;
	return rc;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case KVM_S390_DIAG_API:
		return arg ? -EINVAL : KVM_S390_DIAG_API_VERSION;
	case KVM_S390_DIAG_SET:
	case KVM_S390_DIAG_GET:
		return set_or_get(file->private_data, cmd, (void __user *)arg);
	}
	return -ENOTTY;
}

static int device_open(struct inode *inode, struct file *file)
{
	file->private_data = settings_open();
	return file->private_data ? 0 : -ENOMEM;
}

static int device_release(struct inode *inode, struct file *file)
{
	settings_close(file->private_data);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm-s390-diag",
	.fops = &device_fops,
	.mode = 0660,
};

int device_start(unsigned long vm_release)
{
	kvm_vm_release = vm_release;
	return misc_register(&device);
}

void device_stop(void)
{
	misc_deregister(&device);
}
