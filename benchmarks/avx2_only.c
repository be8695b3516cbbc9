/* Libraries that ask this processor what it can do are told: AVX2, and nothing wider or later.

   Preloaded, it lets the instruction CPUID fault (Linux, on processors with CPUID faulting), executes it in place of the
   program, and clears the bits of AVX-512, AMX and VNNI. Bits are named in Intel's manual, volume 2A, CPUID. */

#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define BIT(n) (1u << (n))

static const unsigned LEAF7_EBX = /* AVX-512 F, DQ, IFMA, PF, ER, CD, BW, VL */
    BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31);
static const unsigned LEAF7_ECX = BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14); /* VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ */
static const unsigned LEAF7_EDX = /* 4VNNIW, 4FMAPS, VP2INTERSECT, AMX-BF16, FP16, AMX-TILE, AMX-INT8 */
    BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);
static const unsigned LEAF7_1_EAX = BIT(4) | BIT(5) | BIT(21) | BIT(23);           /* AVX-VNNI, BF16, AMX-FP16, AVX-IFMA */
static const unsigned LEAF7_1_EDX = BIT(4) | BIT(5) | BIT(8) | BIT(10) | BIT(19);  /* AVX-VNNI-INT8, ..., AVX10 */
static const unsigned STATE_EAX = BIT(0) | BIT(1) | BIT(2);                        /* of x87, SSE, AVX */

static int let_cpuid_fault(int on) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, (unsigned long)!on); }

static void answer(int signal_number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *instruction = (const unsigned char *)registers[REG_RIP];
    (void)info;
    if (instruction[0] != 0x0f || instruction[1] != 0xa2) { /* a fault of the program's own */
        signal(signal_number, SIG_DFL);
        return;
    }
    unsigned leaf = registers[REG_RAX], part = registers[REG_RCX], a, b, c, d;
    let_cpuid_fault(0);
    __cpuid_count(leaf, part, a, b, c, d);
    let_cpuid_fault(1);
    if (leaf == 7 && part == 0) {
        b &= ~LEAF7_EBX;
        c &= ~LEAF7_ECX;
        d &= ~LEAF7_EDX;
    } else if (leaf == 7 && part == 1) {
        a &= ~LEAF7_1_EAX;
        d &= ~LEAF7_1_EDX;
    } else if (leaf == 0xd && part == 0) {
        a &= STATE_EAX;
    } else if (leaf == 0x1d || leaf == 0x1e || leaf == 0x24) { /* tiles, AVX10 */
        a = b = c = d = 0;
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSEGV, &action, NULL) || let_cpuid_fault(1)) {
        perror("This processor or system cannot let CPUID fault");
        _exit(2);
    }
}
