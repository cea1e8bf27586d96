/*
 * Loaded before the C library: syncs and writes of files below some paths fail, or take long, as the file
 * beside this library says, which has its name with `.rules` behind it. Each line there has a kind (`sync` or
 * `write`), the beginning of paths, and `error` or a delay in milliseconds. What fails is noted, a line each,
 * in the file with `.failed` behind the name.
 *
 * The broker calls the system without the C library in places, so a filter of the kernel traps these calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* In the sixth argument, which these calls have no use for: the filter lets them pass. */
#define FROM_HERE 0x5eedf11e

static char rules_path[4096];
static char failed_path[4096];

static int is_write(long number) {
    return number == SYS_pwritev || number == SYS_pwrite64;
}

static void note(const char *kind, const char *path) {
    char line[4200];
    int length = snprintf(line, sizeof line, "%s %s\n", kind, path);
    int file = open(failed_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file >= 0) {
        if (write(file, line, length) != length) abort();
        close(file);
    }
}

/* Waits if a rule says so. Whether the call is to fail. */
static int must_fail(const char *kind, int descriptor) {
    char link[64], path[4096], rules[4096];
    int file = open(rules_path, O_RDONLY);
    if (file < 0) return 0;
    ssize_t length = read(file, rules, sizeof rules - 1);
    close(file);
    if (length <= 0) return 0;
    rules[length] = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    char *rest, *line = strtok_r(rules, "\n", &rest);
    for (; line; line = strtok_r(NULL, "\n", &rest)) {
        char of[8], prefix[2048], action[16];
        if (sscanf(line, "%7s %2047s %15s", of, prefix, action) != 3) abort();
        if (strcmp(of, kind) || strncmp(path, prefix, strlen(prefix))) continue;
        if (!strcmp(action, "error")) {
            note(kind, path);
            return 1;
        }
        long milliseconds = atol(action);
        struct timespec delay = {milliseconds / 1000, milliseconds % 1000 * 1000000};
        nanosleep(&delay, NULL);
    }
    return 0;
}

static void on_trap(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    int before = errno;
    long number = info->si_syscall;
    const char *kind = is_write(number) ? "write" : "sync";
    if (must_fail(kind, registers[REG_RDI])) {
        registers[REG_RAX] = -EIO;
    } else {
        long result = syscall(number, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                              registers[REG_R10], registers[REG_R8], FROM_HERE);
        registers[REG_RAX] = result < 0 ? -errno : result;
    }
    errno = before;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUMP_IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define END(action) BPF_STMT(BPF_RET | BPF_K, action)

__attribute__((constructor)) static void begin(void) {
    struct sock_filter filter[] = {
        LOAD(arch),
        JUMP_IF(AUDIT_ARCH_X86_64, 0, 9),
        LOAD(nr),
        JUMP_IF(SYS_fsync, 4, 0),
        JUMP_IF(SYS_fdatasync, 3, 0),
        JUMP_IF(SYS_syncfs, 2, 0),
        JUMP_IF(SYS_pwritev, 1, 0),
        JUMP_IF(SYS_pwrite64, 0, 3),
        LOAD(args[5]),
        JUMP_IF(FROM_HERE, 1, 0),
        END(SECCOMP_RET_TRAP),
        END(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    const char *own = getenv("LD_PRELOAD");
    if (!own) abort();
    snprintf(rules_path, sizeof rules_path, "%s.rules", own);
    snprintf(failed_path, sizeof failed_path, "%s.failed", own);
    if (sigaction(SIGSYS, &action, NULL)) abort();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) abort();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) abort();
    /* It tells that faults can be done here. */
    close(open(failed_path, O_WRONLY | O_CREAT, 0644));
}
