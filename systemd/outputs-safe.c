/* outputs-safe: write every output of a station safe, without an interpreter.
 *
 *     outputs-safe [--root DIR] PLAN
 *
 * For ExecStartPre= and ExecStopPost= of the guard's unit. PLAN is the flat file that the compiler of the station file
 * puts beside the guard's plan: one action per line, fields separated by tabs, # begins a comment. Lines about the same
 * device are done in order, different devices at the same time, each in a process of its own; every action is tried,
 * whatever else fails, and what is not done after two seconds is given up. Doing it twice is the same as once.
 *
 *     outputs-safe  1                                  first line: version of the format
 *     gpio    CHIP[|CHIP...]  LINE  0|1               electrical level of an output; CHIP: label, name or /dev/..., *
 *                                                      for the chip that has a LINE of this name; LINE: name or
 *                                                      offset; the value comes with the direction
 *     pwm     DEVICE  CHANNEL  PERIOD_NS  DUTY_NS      sysfs PWM of the chip that belongs to DEVICE
 *     write   PATH  TEXT                              a sysfs attribute
 *     serial  PORT  BAUD  N|E|O  1|2  PAUSE_MS  HEX... frames, a pause after each
 *     tcp     HOST  PORT  PAUSE_MS  HEX...            the same over TCP; HOST is a name or an address
 *     unix    PATH  LINE...                           lines of text to a socket
 *     cannot  WHAT                                    something that has no safe action: always reported as failed
 *
 * One line per action on standard error. Exit code: 0 everything was done; otherwise the sum of 1 gpio, 2 pwm, 4 write,
 * 8 serial, 16 tcp, 32 unix, 64 a line that is not understood, "cannot", an empty plan or one that was cut off.
 * 128: there is no such plan; 129: wrong usage.
 * --root DIR goes before every path, for tests.
 *
 * C99 and POSIX; needs the C library and the headers of a kernel of 5.10 or later (GPIO v2).
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/gpio.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { FORMAT = 1, MAX_ACTIONS = 512, MAX_FIELDS = 64, MAX_FRAME = 512, EX_NOPLAN = 128, EX_USE = 129 };
enum { LIMIT_MS = 2000, CONNECT_MS = 800, ANSWER_MS = 400, EXPORT_MS = 150 };
enum { F_GPIO = 1, F_PWM = 2, F_WRITE = 4, F_SERIAL = 8, F_TCP = 16, F_UNIX = 32, F_PLAN = 64 };

struct action {
    char *field[MAX_FIELDS + 1];
    int fields;
    int line;
    int group; /* index of the first action about the same device */
};

static const char *root = "";
static char problem[256];

static int fail(const char *what)
{
    snprintf(problem, sizeof problem, "%.180s: %.60s", what, strerror(errno));
    return -1;
}

static int refuse(const char *why)
{
    snprintf(problem, sizeof problem, "%s", why);
    return -1;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static int number(const char *text, long least, long most, long *found)
{
    char *end;
    errno = 0;
    *found = strtol(text, &end, 10);
    return *text && !*end && errno == 0 && *found >= least && *found <= most ? 0 : refuse("a number is out of range");
}

static int join(char *out, size_t size, const char *first, const char *second)
{
    int length = snprintf(out, size, "%s%s", first, second);
    return length >= 0 && (size_t)length < size ? 0 : refuse("the path is too long");
}

/* -- files ------------------------------------------------------------------------------------------------------- */

static int put(const char *path, const char *text)
{
    size_t length = strlen(text);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail(path);
    ssize_t wrote = write(fd, text, length);
    int result = wrote == (ssize_t)length ? 0 : fail(path);
    close(fd);
    return result;
}

static long get(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    return length > 0 ? strtol(text, NULL, 10) : -1;
}

static int do_write(struct action *action)
{
    char path[PATH_MAX];
    if (action->fields != 3)
        return refuse("expected: write PATH TEXT");
    return join(path, sizeof path, root, action->field[1]) ? -1 : put(path, action->field[2]);
}

/* -- PWM --------------------------------------------------------------------------------------------------------- */

static int find_pwm(const char *device, char *out, size_t size)
{
    char base[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
    if (join(base, sizeof base, root, "/sys/class/pwm"))
        return -1;
    DIR *chips = opendir(base);
    if (!chips)
        return fail(base);
    int found = -1;
    for (struct dirent *entry; found && (entry = readdir(chips));) {
        if (strncmp(entry->d_name, "pwmchip", 7) != 0)
            continue;
        int length = snprintf(link, sizeof link, "%s/%s/device", base, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof link || !realpath(link, target))
            continue;
        if (strcmp(strrchr(target, '/') + 1, device) == 0) {
            length = snprintf(out, size, "%s/%s", base, entry->d_name);
            found = length >= 0 && (size_t)length < size ? 0 : -1;
        }
    }
    closedir(chips);
    if (found)
        snprintf(problem, sizeof problem, "no PWM chip belongs to device %.150s", device);
    return found;
}

static int do_pwm(struct action *action)
{
    char chip[PATH_MAX - 64], path[PATH_MAX], period[24], duty[24];
    long channel, period_ns, duty_ns;
    if (action->fields != 5)
        return refuse("expected: pwm DEVICE CHANNEL PERIOD_NS DUTY_NS");
    if (number(action->field[2], 0, 255, &channel) || number(action->field[3], 1, 1000000000L, &period_ns) ||
        number(action->field[4], 0, period_ns, &duty_ns) || find_pwm(action->field[1], chip, sizeof chip))
        return -1;
    snprintf(period, sizeof period, "%ld", period_ns);
    snprintf(duty, sizeof duty, "%ld", duty_ns);
    char folder[PATH_MAX - 16];
    snprintf(folder, sizeof folder, "%s/pwm%ld", chip, channel);
    if (access(folder, F_OK) != 0) {
        snprintf(path, sizeof path, "%s/export", chip);
        if (put(path, action->field[2]) && errno != EBUSY)
            return -1;
        snprintf(path, sizeof path, "%s/duty_cycle", folder);
        /* The attributes appear, and udev opens them to our group, a moment later. */
        for (long until = now_ms() + EXPORT_MS; access(path, W_OK) != 0 && now_ms() < until;)
            pause_ms(5);
    }
    snprintf(path, sizeof path, "%s/period", folder);
    long old_ns = get(path);
    /* The kernel refuses a duty above the period, and any duty while the period is 0. */
    int period_first = old_ns <= 0 || duty_ns > old_ns;
    for (int step = 0; step < 2; step++) {
        int is_period = (step == 0) == period_first;
        snprintf(path, sizeof path, "%s/%s", folder, is_period ? "period" : "duty_cycle");
        if (is_period && old_ns == period_ns)
            continue;
        if (put(path, is_period ? period : duty))
            return -1;
    }
    snprintf(path, sizeof path, "%s/enable", folder);
    return put(path, "1");
}

/* -- GPIO -------------------------------------------------------------------------------------------------------- */

static int find_line(int chip, const char *wanted);

/* Returns an open chip: the one of that label or name, or for * the one with that line. */
static int open_chip(const char *wanted, const char *line)
{
    char folder[PATH_MAX], path[PATH_MAX];
    if (join(folder, sizeof folder, root, "/dev"))
        return -1;
    DIR *devices = opendir(folder);
    if (!devices)
        return fail(folder);
    int fd = -1;
    for (struct dirent *entry; fd < 0 && (entry = readdir(devices));) {
        struct gpiochip_info info;
        if (strncmp(entry->d_name, "gpiochip", 8) != 0)
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path || (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
            continue;
        memset(&info, 0, sizeof info);
        int is_it = ioctl(fd, GPIO_GET_CHIPINFO_IOCTL, &info) == 0;
        info.name[sizeof info.name - 1] = info.label[sizeof info.label - 1] = 0;
        int any = strcmp(wanted, "*") == 0;
        if (is_it && !any)
            is_it = !strcmp(info.label, wanted) || !strcmp(info.name, wanted) || !strcmp(path + strlen(root), wanted);
        if (!is_it || (any && find_line(fd, line) < 0)) {
            close(fd);
            fd = -1;
        }
    }
    closedir(devices);
    return fd;
}

static int find_line(int chip, const char *wanted)
{
    struct gpiochip_info info;
    memset(&info, 0, sizeof info);
    if (ioctl(chip, GPIO_GET_CHIPINFO_IOCTL, &info) != 0)
        return fail("GPIO_GET_CHIPINFO");
    long offset;
    if (number(wanted, 0, (long)info.lines - 1, &offset) == 0)
        return (int)offset;
    for (unsigned int each = 0; each < info.lines; each++) {
        struct gpio_v2_line_info line;
        memset(&line, 0, sizeof line);
        line.offset = each;
        if (ioctl(chip, GPIO_V2_GET_LINEINFO_IOCTL, &line) != 0)
            continue;
        line.name[sizeof line.name - 1] = 0;
        if (strcmp(line.name, wanted) == 0)
            return (int)each;
    }
    snprintf(problem, sizeof problem, "the chip has no line %.150s", wanted);
    return -1;
}

static int do_gpio(struct action *action)
{
    char chips[256];
    long level;
    if (action->fields != 4 || number(action->field[3], 0, 1, &level))
        return refuse("expected: gpio CHIP LINE 0|1");
    if (join(chips, sizeof chips, action->field[1], ""))
        return -1;
    int chip = -1;
    char *rest = NULL;
    for (char *name = strtok_r(chips, "|", &rest); name && chip < 0; name = strtok_r(NULL, "|", &rest))
        chip = open_chip(name, action->field[2]);
    if (chip < 0) {
        snprintf(problem, sizeof problem, "there is no gpiochip %.100s with line %.100s", action->field[1],
                 action->field[2]);
        return -1;
    }
    int offset = find_line(chip, action->field[2]);
    if (offset < 0) {
        close(chip);
        return -1;
    }
    struct gpio_v2_line_request request;
    memset(&request, 0, sizeof request);
    request.offsets[0] = (unsigned int)offset;
    request.num_lines = 1;
    strcpy(request.consumer, "outputs-safe");
    request.config.flags = GPIO_V2_LINE_FLAG_OUTPUT;
    request.config.num_attrs = 1;
    request.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
    request.config.attrs[0].attr.values = (unsigned long long)level;
    request.config.attrs[0].mask = 1;
    int result = ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &request) == 0 ? 0 : fail("GPIO_V2_GET_LINE");
    if (result == 0)
        close(request.fd); /* whether the level stays is the kernel's business; see docs/guard.md */
    close(chip);
    return result;
}

/* -- serial, TCP, Unix socket ------------------------------------------------------------------------------------ */

static int from_hex(const char *text, unsigned char *out)
{
    int length = 0;
    for (; *text; text += 2) {
        unsigned int byte;
        int used = 0;
        if (length == MAX_FRAME || sscanf(text, "%2x%n", &byte, &used) != 1 || used != 2)
            return refuse("a frame is not hexadecimal, or too long");
        out[length++] = (unsigned char)byte;
    }
    return length ? length : refuse("a frame is empty");
}

static int wait_for(int fd, short events, long ms)
{
    struct pollfd one = {fd, events, 0};
    for (long until = now_ms() + ms;;) {
        long left = until - now_ms();
        int ready = poll(&one, 1, left > 0 ? (int)left : 0);
        if (ready > 0)
            return 0;
        if (ready == 0 || errno != EINTR) {
            errno = ready == 0 ? ETIMEDOUT : errno;
            return -1;
        }
    }
}

static int send_all(int fd, const unsigned char *bytes, size_t length)
{
    while (length) {
        ssize_t sent = write(fd, bytes, length);
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return fail("write");
        } else if (wait_for(fd, POLLOUT, ANSWER_MS)) {
            return fail("write");
        }
    }
    return 0;
}

static int send_frames(int fd, struct action *action, int first, long after_ms, int is_serial)
{
    int result = 0;
    for (int each = first; each < action->fields; each++) {
        unsigned char frame[MAX_FRAME];
        int length = from_hex(action->field[each], frame);
        if (length < 0 || send_all(fd, frame, (size_t)length))
            result = -1;
        if (is_serial)
            tcdrain(fd);
        pause_ms(after_ms);
    }
    return result;
}

static speed_t speed_of(long baud)
{
    switch (baud) {
    case 1200: return B1200;
    case 2400: return B2400;
    case 4800: return B4800;
    case 9600: return B9600;
    case 19200: return B19200;
    case 38400: return B38400;
    case 57600: return B57600;
    case 115200: return B115200;
    default: return B0;
    }
}

static int do_serial(struct action *action)
{
    char path[PATH_MAX];
    long baud, stop_bits, after_ms;
    if (action->fields < 7 || strlen(action->field[3]) != 1 || !strchr("NEO", action->field[3][0]))
        return refuse("expected: serial PORT BAUD N|E|O 1|2 PAUSE_MS HEX...");
    if (number(action->field[2], 1200, 115200, &baud) || number(action->field[4], 1, 2, &stop_bits) ||
        number(action->field[5], 0, 1000, &after_ms) || join(path, sizeof path, root, action->field[1]))
        return -1;
    if (speed_of(baud) == B0)
        return refuse("the baud rate is not one of 1200-115200");
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail(path);
    struct termios settings;
    if (tcgetattr(fd, &settings) != 0) {
        close(fd);
        return fail(path);
    }
    settings.c_iflag = settings.c_oflag = settings.c_lflag = 0;
    settings.c_cflag = CS8 | CREAD | CLOCAL;
    if (action->field[3][0] != 'N')
        settings.c_cflag |= PARENB | (action->field[3][0] == 'O' ? PARODD : 0);
    if (stop_bits == 2)
        settings.c_cflag |= CSTOPB;
    cfsetispeed(&settings, speed_of(baud));
    cfsetospeed(&settings, speed_of(baud));
    tcflush(fd, TCIOFLUSH); /* half a request of a killed process */
    int result = tcsetattr(fd, TCSANOW, &settings) == 0 ? 0 : fail(path);
    if (result == 0) {
        pause_ms(after_ms); /* silence ends what the devices heard of it */
        result = send_frames(fd, action, 6, after_ms, 1);
    }
    close(fd);
    return result;
}

static int do_tcp(struct action *action)
{
    long port, after_ms;
    if (action->fields < 5 || number(action->field[2], 1, 65535, &port) ||
        number(action->field[3], 0, 1000, &after_ms))
        return refuse("expected: tcp HOST PORT PAUSE_MS HEX...");
    struct addrinfo hints, *found = NULL;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    int code = getaddrinfo(action->field[1], action->field[2], &hints, &found);
    if (code != 0)
        return refuse(gai_strerror(code));
    int result = refuse("no address");
    for (struct addrinfo *each = found; each && result; each = each->ai_next) {
        int fd = socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), late = 0;
        socklen_t size = sizeof late;
        if (fd < 0) {
            fail("socket");
            continue;
        }
        if (connect(fd, each->ai_addr, each->ai_addrlen) != 0 &&
            (errno != EINPROGRESS || wait_for(fd, POLLOUT, CONNECT_MS))) {
            fail("connect");
        } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &late, &size) != 0 || late) {
            errno = late ? late : errno;
            fail("connect");
        } else {
            result = send_frames(fd, action, 4, after_ms, 0);
            shutdown(fd, SHUT_WR);
        }
        close(fd);
    }
    freeaddrinfo(found);
    return result;
}

static int do_unix(struct action *action)
{
    char path[PATH_MAX], answer[4096];
    struct sockaddr_un address;
    if (action->fields < 3)
        return refuse("expected: unix PATH LINE...");
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    if (join(path, sizeof path, root, action->field[1]) ||
        join(address.sun_path, sizeof address.sun_path, path, ""))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail("socket");
    struct timeval limit = {ANSWER_MS / 1000, (ANSWER_MS % 1000) * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int result = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : fail(path);
    for (int each = 2; each < action->fields && result == 0; each++) {
        const unsigned char *line = (const unsigned char *)action->field[each];
        if (send_all(fd, line, strlen(action->field[each])) || send_all(fd, (const unsigned char *)"\n", 1))
            result = -1;
    }
    if (result == 0) {
        /* Read to the end: a socket closed with an answer unread takes what was sent back. */
        shutdown(fd, SHUT_WR);
        ssize_t length = 1;
        for (long until = now_ms() + ANSWER_MS; length > 0 && !wait_for(fd, POLLIN, until - now_ms());) {
            length = read(fd, answer, sizeof answer - 1);
            if (length > 0) {
                answer[length] = 0;
                if (strstr(answer, "\"error\""))
                    result = refuse("the other end refused it");
            }
        }
    }
    close(fd);
    return result;
}

/* -- the plan ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *verb;
    int bit;
    int (*run)(struct action *);
} verbs[] = {
    {"gpio", F_GPIO, do_gpio},       {"pwm", F_PWM, do_pwm}, {"write", F_WRITE, do_write},
    {"serial", F_SERIAL, do_serial}, {"tcp", F_TCP, do_tcp}, {"unix", F_UNIX, do_unix},
};

static int run(struct action *action)
{
    int bit = F_PLAN, result = refuse("is not an action");
    problem[0] = 0;
    if (strcmp(action->field[0], "cannot") == 0) {
        result = refuse("has no safe action that needs no interpreter");
    } else {
        for (size_t each = 0; each < sizeof verbs / sizeof *verbs; each++)
            if (strcmp(verbs[each].verb, action->field[0]) == 0) {
                bit = verbs[each].bit;
                result = verbs[each].run(action);
            }
        if (bit == F_PLAN)
            refuse("is not an action");
    }
    char said[512];
    int length = snprintf(said, sizeof said, "outputs-safe: %s: line %d: %.40s %.120s%s%.200s\n",
                          result ? "FAILED" : "done", action->line, action->field[0],
                          action->fields > 1 ? action->field[1] : "", result ? ": " : "", result ? problem : "");
    if (length > 0 && write(STDERR_FILENO, said, (size_t)length < sizeof said ? (size_t)length : sizeof said - 1) < 0)
        return bit;
    return result ? bit : 0;
}

static struct action actions[MAX_ACTIONS];
static int count;

static int same_device(const struct action *one, const struct action *other)
{
    return strcmp(one->field[0], other->field[0]) == 0 && one->fields > 1 && other->fields > 1 &&
           strcmp(one->field[1], other->field[1]) == 0;
}

/* Returns bits for what cannot even be read; what can be read is in actions. */
static int read_plan(char *text)
{
    int bits = 0, line = 0, first = 1;
    for (char *next; text; text = next) {
        line++;
        next = strchr(text, '\n');
        if (next) {
            *next++ = 0;
        } else if (*text) {
            fprintf(stderr, "outputs-safe: FAILED: line %d: the plan ends within a line\n", line);
            bits |= F_PLAN;
        }
        size_t length = strlen(text);
        if (length && text[length - 1] == '\r')
            text[length - 1] = 0;
        if (!*text || *text == '#')
            continue;
        if (first) {
            first = 0;
            if (strncmp(text, "outputs-safe\t", 13) == 0) {
                if (atoi(text + 13) == FORMAT)
                    continue;
                fprintf(stderr, "outputs-safe: FAILED: line %d: version %.20s is not %d\n", line, text + 13, FORMAT);
                bits |= F_PLAN;
                continue;
            }
            fprintf(stderr, "outputs-safe: FAILED: line %d: the plan does not begin with outputs-safe\n", line);
            bits |= F_PLAN;
        }
        if (count == MAX_ACTIONS) {
            fprintf(stderr, "outputs-safe: FAILED: line %d: more than %d actions\n", line, MAX_ACTIONS);
            return bits | F_PLAN;
        }
        struct action *action = &actions[count];
        action->line = line;
        action->fields = 0;
        for (char *field = text; field && action->fields < MAX_FIELDS;) {
            char *end = strchr(field, '\t');
            if (end)
                *end++ = 0;
            action->field[action->fields++] = field;
            field = end;
        }
        action->group = count;
        for (int each = 0; each < count; each++)
            if (same_device(&actions[each], action)) {
                action->group = actions[each].group;
                break;
            }
        count++;
    }
    if (first) {
        fprintf(stderr, "outputs-safe: FAILED: the plan is empty\n");
        bits |= F_PLAN;
    }
    return bits;
}

static char *load(const char *path)
{
    size_t size = 0, room = 1 << 20;
    char *text = malloc(room + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* whatever it is, do not wait for it */
    struct stat is;
    if (!text || fd < 0 || fstat(fd, &is) < 0) {
        fprintf(stderr, "outputs-safe: FAILED: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    if (!S_ISREG(is.st_mode)) {
        fprintf(stderr, "outputs-safe: FAILED: %s: is no file\n", path);
        return NULL;
    }
    ssize_t got = 0;
    while (size < room && (got = read(fd, text + size, room - size)) > 0)
        size += (size_t)got;
    if (got < 0) /* a failing disk: what came is still done */
        fprintf(stderr, "outputs-safe: FAILED: %s: %s\n", path, strerror(errno));
    close(fd);
    for (size_t each = 0; each < size; each++)
        if (!text[each])
            text[each] = '?'; /* a torn file: the rest of it is still read */
    text[size] = 0;
    return text;
}

static int all_bits(int group)
{
    int bits = 0;
    for (int each = group; each < count; each++)
        if (actions[each].group == group) {
            int known = F_PLAN;
            for (size_t verb = 0; verb < sizeof verbs / sizeof *verbs; verb++)
                if (strcmp(verbs[verb].verb, actions[each].field[0]) == 0)
                    known = verbs[verb].bit;
            bits |= known;
        }
    return bits;
}

static int run_group(int group)
{
    int bits = 0;
    for (int each = group; each < count; each++)
        if (actions[each].group == group)
            bits |= run(&actions[each]);
    return bits;
}

static void nothing(int signal_number)
{
    (void)signal_number;
}

static int run_all(void)
{
    static pid_t child[MAX_ACTIONS];
    int bits = 0, running = 0;
    long until = now_ms() + LIMIT_MS;
    struct sigaction wake;
    sigset_t blocked, before;
    memset(&wake, 0, sizeof wake);
    wake.sa_handler = nothing;
    sigaction(SIGCHLD, &wake, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &before); /* so that no end is missed between looking and waiting */
    for (int group = 0; group < count; group++) {
        if (actions[group].group != group)
            continue;
        child[group] = fork();
        if (child[group] == 0) {
            sigprocmask(SIG_SETMASK, &before, NULL);
            _exit(run_group(group));
        }
        if (child[group] < 0)
            bits |= run_group(group); /* no process to be had: one after the other, then */
        else
            running++;
    }
    while (running) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended > 0) {
            for (int group = 0; group < count; group++)
                if (child[group] == ended) {
                    bits |= WIFEXITED(status) ? WEXITSTATUS(status) : all_bits(group);
                    child[group] = 0;
                    running--;
                }
            continue;
        }
        long left = until - now_ms();
        if (left <= 0 || (ended < 0 && errno != EINTR))
            break;
        struct timespec wait = {left / 1000, (left % 1000) * 1000000L};
        sigtimedwait(&blocked, NULL, &wait);
    }
    for (int group = 0; running && group < count; group++)
        if (child[group] > 0) {
            kill(child[group], SIGKILL); /* one in an uninterruptible write cannot be waited for */
            fprintf(stderr, "outputs-safe: FAILED: line %d: %.40s %.120s: not done within %d ms\n",
                    actions[group].line, actions[group].field[0],
                    actions[group].fields > 1 ? actions[group].field[1] : "", LIMIT_MS);
            bits |= all_bits(group);
        }
    return bits;
}

int main(int argc, char **argv)
{
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--root") == 0) {
        root = argv[2];
        at = 3;
    }
    if (argc != at + 1 || argv[at][0] == '-') {
        fprintf(stderr, "usage: outputs-safe [--root DIR] PLAN\n");
        return EX_USE;
    }
    char *text = load(argv[at]);
    if (!text)
        return EX_NOPLAN;
    signal(SIGPIPE, SIG_IGN);
    int bits = read_plan(text);
    bits |= run_all();
    free(text);
    return bits;
}
