/* What a create costs at least: the same libvirt calls on one connection, and nothing else.
 *
 *   floor URI POOL BOOT.XML SEED.XML SEED.ISO DOMAIN.XML
 */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>

static void *checked(void *got, const char *doing) {
    if (got == NULL) {
        fprintf(stderr, "failed to %s\n", doing);
        exit(1);
    }
    return got;
}

static void check(int got, const char *doing) {
    if (got < 0) {
        fprintf(stderr, "failed to %s\n", doing);
        exit(1);
    }
}

static char *read_file(const char *path, size_t *length) {
    FILE *file = checked(fopen(path, "rb"), "open a file");
    check(fseek(file, 0, SEEK_END), "seek");
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = checked(calloc(*length + 1, 1), "allocate");
    if (fread(bytes, 1, *length, file) != *length)
        check(-1, "read a file");
    fclose(file);
    return bytes;
}

int main(int count, char **arguments) {
    if (count != 7)
        return 2;
    size_t length;
    virConnectPtr connection = checked(virConnectOpen(arguments[1]), "connect");
    virStoragePoolPtr pool = checked(virStoragePoolLookupByName(connection, arguments[2]), "find the pool");
    checked(virStorageVolCreateXML(pool, read_file(arguments[3], &length), 0), "make the boot volume");
    virStorageVolPtr seed =
        checked(virStorageVolCreateXML(pool, read_file(arguments[4], &length), 0), "make the seed's volume");

    char *bytes = read_file(arguments[5], &length);
    virStreamPtr stream = checked(virStreamNew(connection, 0), "make a stream");
    check(virStorageVolUpload(seed, stream, 0, length, 0), "upload the seed");
    for (size_t sent = 0; sent < length;) {
        size_t left = length - sent, most = 256 * 1024 - 64;
        int more = virStreamSend(stream, bytes + sent, left < most ? left : most);
        check(more, "send the seed");
        sent += (size_t)more;
    }
    check(virStreamFinish(stream), "finish the upload");

    virDomainPtr domain = checked(virDomainDefineXML(connection, read_file(arguments[6], &length)), "define");
    check(virDomainSetAutostart(domain, 1), "set the autostart");
    check(virDomainCreate(domain), "start");
    virConnectClose(connection);
    return 0;
}
