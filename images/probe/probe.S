/* A guest of two kilobytes that does what every stock guest does before its kernel speaks, and then
 * says that it has come to its end. It decides whether KVM is chosen: see src/host/kvm.rs.
 *
 * The order is that of a stock boot: the firmware's disk and memory services in real mode (EDD, A20,
 * E820), protected mode, paging, 64-bit mode, CPUID, interrupts of the timer, and then plain work in
 * kernel mode. The work is the point. There are hosts (KVM without VT-x or SVM below it) where each
 * of these steps succeeds and where yet every single instruction in kernel mode is emulated: a stock
 * kernel stops at its decompressor, after "Probing EDD", for hours. A hundred million instructions
 * take 0.1 s on a CPU, 1 s in QEMU's translator and minutes there.
 *
 * probe.bin is made from this file, and a test compares the two:
 *   as probe.S -o probe.o && ld -m elf_x86_64 -Ttext 0x7c00 -e 0x7c00 --oformat binary probe.o -o probe.bin
 */

        .set    PAGES, 0x10000          /* three tables of 4 KiB */
        .set    IDT, 0x14000
        .set    SCRATCH, 0x15000        /* what the firmware answers */
        .set    WORK, 0x200000          /* 2 MiB that the work runs over */
        .set    ROUNDS, 16000000        /* of six instructions each */
        .set    RESULT, 0x5522c401      /* of all rounds: x = 1664525 x + 1013904223, from 1 */
        .set    COM1, 0x3f8
        .set    TIMER_VECTOR, 0x20
        .set    TICKS_PER_SECOND, 100

        .text
        .globl  _start

/* Real mode: the firmware has read this sector to 0x7c00, and the drive's number is in dl. */
        .code16
_start: cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $_start, %sp
        ljmp    $0, $1f
1:      sti
        cld

        movb    $0x41, %ah              /* EDD: is it there? */
        movw    $0x55aa, %bx
        int     $0x13
        jc      stop
        cmpw    $0xaa55, %bx
        jne     stop
        movb    $0x48, %ah              /* EDD: the drive's parameters */
        movw    $SCRATCH >> 4, %si
        movw    %si, %ds
        xorw    %si, %si
        movw    $30, (%si)
        int     $0x13
        movw    %si, %ds
        jc      stop
        movb    $0x42, %ah              /* EDD: read the other sectors */
        movw    $packet, %si
        int     $0x13
        jc      stop

        movw    $0x2401, %ax            /* A20 on */
        int     $0x15
        jc      stop
        movw    $0xffff, %ax            /* ffff:7e0e is 0000:7dfe where address line 20 is off */
        movw    %ax, %fs
        notw    %fs:0x7e0e
        cmpw    $0xaa55, signature
        jne     stop

        movl    $0xe820, %eax           /* the map of the memory, its first entry */
        xorl    %ebx, %ebx
        movl    $20, %ecx
        movl    $0x534d4150, %edx
        movw    $SCRATCH >> 4, %di
        movw    %di, %es
        xorw    %di, %di
        int     $0x15
        jc      stop
        jmp     protect

/* Something is not as it must be: silence says so. */
stop:   cli
        hlt
        jmp     stop

packet: .byte   16, 0
        .word   3                       /* sectors */
        .word   rest, 0                 /* to */
        .quad   1                       /* from */

        .org    510
signature:
        .word   0xaa55

/* Here begins the second sector. */
rest:
protect:
        cli
        lgdt    gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmp    $0x08, $protected

        .code32
protected:
        movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $_start, %esp

        movl    $PAGES, %edi            /* the first 1 GiB, mapped to itself in pages of 2 MiB */
        movl    $0x3000 / 4, %ecx
        xorl    %eax, %eax
        rep stosl
        movl    $PAGES + 0x1003, PAGES
        movl    $PAGES + 0x2003, PAGES + 0x1000
        movl    $PAGES + 0x2000, %edi
        movl    $0x83, %eax
        movl    $512, %ecx
1:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $0x200000, %eax
        loop    1b

        movl    %cr4, %eax              /* PAE */
        orl     $0x20, %eax
        movl    %eax, %cr4
        movl    $PAGES, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER.LME */
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax              /* paging */
        orl     $0x80000000, %eax
        movl    %eax, %cr0
        ljmp    $0x18, $long

        .code64
long:   movl    $100, %esi              /* CPUID leaves the guest each time */
1:      xorl    %eax, %eax
        cpuid
        decl    %esi
        jnz     1b

        movl    $tick, %eax             /* one gate: the timer's */
        movl    $IDT + TIMER_VECTOR * 16, %edi
        movw    %ax, (%rdi)
        movl    $0x8e000018, 2(%rdi)
        movw    $0, 6(%rdi)
        movq    $0, 8(%rdi)
        movb    $0x8e, 5(%rdi)
        lidt    idt_pointer

        movb    $0x11, %al              /* interrupt controllers: begin at vectors 0x20 and 0x28, the timer alone */
        outb    %al, $0x20
        outb    %al, $0xa0
        movb    $TIMER_VECTOR, %al
        outb    %al, $0x21
        movb    $TIMER_VECTOR + 8, %al
        outb    %al, $0xa1
        movb    $4, %al
        outb    %al, $0x21
        movb    $2, %al
        outb    %al, $0xa1
        movb    $1, %al
        outb    %al, $0x21
        outb    %al, $0xa1
        movb    $0xfe, %al
        outb    %al, $0x21
        movb    $0xff, %al
        outb    %al, $0xa1
        movb    $0x34, %al              /* timer: periodic */
        outb    %al, $0x43
        movw    $1193182 / TICKS_PER_SECOND, %ax
        outb    %al, $0x40
        movb    %ah, %al
        outb    %al, $0x40
        sti
        movl    $3, %ecx
        call    wait

        movl    $ROUNDS, %ecx           /* the work, with the timer going on */
        movl    $1, %eax
1:      imull   $1664525, %eax, %eax
        addl    $1013904223, %eax
        movl    %eax, %edi
        shrl    $14, %edi
        xorl    %eax, WORK(, %rdi, 8)
        loop    1b
        cmpl    $RESULT, %eax
        jne     silence

speak:  movl    $word, %esi             /* again and again: nobody may listen yet */
        movl    $word_end - word, %ecx
1:      movl    $COM1 + 5, %edx
        inb     %dx, %al
        testb   $0x20, %al
        jz      1b
        movl    $COM1, %edx
        lodsb
        outb    %al, %dx
        loop    1b
        movl    $5, %ecx
        call    wait
        jmp     speak

/* Waits for ecx ticks. */
wait:   addl    ticks, %ecx
1:      hlt
        cmpl    %ecx, ticks
        jne     1b
        ret

tick:   pushq   %rax
        incl    ticks
        movb    $0x20, %al
        outb    %al, $0x20
        popq    %rax
        iretq

silence:
        cli
        hlt
        jmp     silence

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      /* 0x08: code, 32 bits */
        .quad   0x00cf93000000ffff      /* 0x10: data */
        .quad   0x00af9b000000ffff      /* 0x18: code, 64 bits */
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt
idt_pointer:
        .word   (TIMER_VECTOR + 1) * 16 - 1
        .quad   IDT
ticks:  .long   0
word:   .ascii  "trustnet-vm probe: passed\r\n"
word_end:
        .org    2048
