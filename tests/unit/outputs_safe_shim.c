/* A kernel for tests: GPIO chips that are files (first line: label; then one line name per line), PWM attributes with
 * the kernel's rules, and a log ($SHIM_LOG) of everything that was asked of them. Preloaded into outputs-safe. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void note(const char *text)
{
    FILE *log = fopen(getenv("SHIM_LOG"), "a");
    if (log) {
        fprintf(log, "%s\n", text);
        fclose(log);
    }
}

static int path_of(int fd, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0;
}

static int line_of(int fd, int index, char *out, size_t size)
{
    char text[4096] = "", *at = text;
    if (pread(fd, text, sizeof text - 1, 0) < 0)
        return 0;
    for (int each = 0; at && *at; each++) {
        char *end = strchr(at, '\n');
        if (each == index) {
            snprintf(out, size, "%.*s", (int)(end ? end - at : (long)strlen(at)), at);
            return 1;
        }
        at = end ? end + 1 : NULL;
    }
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *given = va_arg(arguments, void *);
    va_end(arguments);
    char text[256], said[512];
    if (request == GPIO_GET_CHIPINFO_IOCTL) {
        struct gpiochip_info *info = given;
        if (!line_of(fd, 0, info->label, sizeof info->label)) {
            errno = ENODEV;
            return -1;
        }
        for (info->lines = 0; line_of(fd, (int)info->lines + 1, text, sizeof text); info->lines++)
            ;
        return 0;
    }
    if (request == GPIO_V2_GET_LINEINFO_IOCTL) {
        struct gpio_v2_line_info *info = given;
        line_of(fd, (int)info->offset + 1, info->name, sizeof info->name);
        return 0;
    }
    if (request == GPIO_V2_GET_LINE_IOCTL) {
        struct gpio_v2_line_request *asked = given;
        line_of(fd, (int)asked->offsets[0] + 1, text, sizeof text);
        if (strcmp(text, "BUSY") == 0) {
            errno = EBUSY;
            return -1;
        }
        snprintf(said, sizeof said, "line %u output=%d value=%d", asked->offsets[0],
                 (int)(asked->config.flags & GPIO_V2_LINE_FLAG_OUTPUT ? 1 : 0),
                 asked->config.num_attrs == 1 && asked->config.attrs[0].mask == 1 &&
                         asked->config.attrs[0].attr.id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES
                     ? (int)asked->config.attrs[0].attr.values
                     : -1);
        note(said);
        asked->fd = open("/dev/null", O_RDONLY);
        return 0;
    }
    int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, given);
}

static long beside(const char *path, const char *name)
{
    char other[4200], text[32] = "0";
    snprintf(other, sizeof other, "%.*s/%s", (int)(strrchr(path, '/') - path), path, name);
    FILE *file = fopen(other, "r");
    if (!file)
        return 0;
    if (!fgets(text, sizeof text, file))
        text[0] = 0;
    fclose(file);
    return atol(text);
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    ssize_t (*real)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    char path[4096], said[4300];
    if (!path_of(fd, path, sizeof path) || !strstr(path, "/pwm"))
        return real(fd, bytes, count);
    char *name = strrchr(path, '/') + 1;
    long value = atol(bytes);
    /* drivers/pwm/core.c: a state needs a period, and a duty cycle within it. */
    if ((!strcmp(name, "period") && (value <= 0 || value < beside(path, "duty_cycle"))) ||
        (!strcmp(name, "duty_cycle") && (beside(path, "period") <= 0 || value > beside(path, "period"))) ||
        (!strcmp(name, "enable") && beside(path, "period") <= 0)) {
        errno = EINVAL;
        return -1;
    }
    snprintf(said, sizeof said, "%s=%.*s", name, (int)count, (const char *)bytes);
    note(said);
    if (ftruncate(fd, 0) != 0)
        return -1;
    return real(fd, bytes, count);
}
