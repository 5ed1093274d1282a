/* What a program costs that links libvirt and returns at once. */
#include <libvirt/libvirt.h>
#include <stddef.h>

int main(void) {
    unsigned long version;
    return virGetVersion(&version, NULL, NULL) < 0;
}
