/*
 * faults.c
 *	  Preloaded into a server of the tests: a clock that somebody sets, and a disk that
 *	  is full.  Both are files in the folder FAULTS_DIR, looked at in each call: "clock"
 *	  has the seconds that the clock is wrong by, "full" a part of the paths of files
 *	  that take no more.
 *
 * gettimeofday is what PostgreSQL reads the time by.  A real clock would be set for
 * the whole machine.  librdkafka keeps the right time: it waits until a time of day by
 * other functions of the C library, and would have two clocks.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the file says; false: it is not there. */
static int
read_word(const char *name, char *word, size_t size)
{
	const char *dir = getenv("FAULTS_DIR");
	char		path[4096];
	ssize_t		len;
	int			fd;

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, word, size - 1);
	close(fd);
	if (len <= 0)
		return 0;
	word[len] = '\0';
	word[strcspn(word, "\n")] = '\0';
	return 1;
}

static int
is_of(void *address, const char *library)
{
	Dl_info		info;

	return dladdr(address, &info) && info.dli_fname && strstr(info.dli_fname, library) != NULL;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	char		seconds[64];
	int			error = errno;
	int			result = (int) syscall(SYS_gettimeofday, now, zone);

	if (result == 0 && !is_of(__builtin_return_address(0), "librdkafka") && read_word("clock", seconds, sizeof(seconds)))
		now->tv_sec += atol(seconds);
	errno = error;
	return result;
}

static int
is_full(int fd)
{
	char		part[256];
	char		link[64];
	char		path[4096];
	ssize_t		len;

	if (!read_word("full", part, sizeof(part)))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len <= 0)
		return 0;
	path[len] = '\0';
	return strstr(path, part) != NULL;
}

#define UNLESS_FULL(fd, call) \
	do { \
		if (!is_full(fd)) \
			return (call); \
		errno = ENOSPC; \
		return -1; \
	} while (0)

ssize_t
write(int fd, const void *data, size_t size)
{
	UNLESS_FULL(fd, syscall(SYS_write, fd, data, size));
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	UNLESS_FULL(fd, syscall(SYS_pwrite64, fd, data, size, offset));
}

ssize_t
pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	UNLESS_FULL(fd, syscall(SYS_pwrite64, fd, data, size, offset));
}

ssize_t
pwritev(int fd, const struct iovec *parts, int n, off_t offset)
{
	UNLESS_FULL(fd, syscall(SYS_pwritev, fd, parts, n, offset, 0));
}

ssize_t
pwritev64(int fd, const struct iovec *parts, int n, off64_t offset)
{
	UNLESS_FULL(fd, syscall(SYS_pwritev, fd, parts, n, offset, 0));
}
