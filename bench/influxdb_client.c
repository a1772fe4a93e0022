/*
 * influxdb_client.c
 *	  What a bare client needs for the same answer: libcurl, to memory, with
 *	  nothing decoded.  Prints seconds and bytes.
 *
 *	  influxdb_client URL QUERY     login from INFLUXDB_USER and INFLUXDB_PASSWORD
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char buffer[1 << 20];
static size_t used;
static double total;

static size_t
keep(char *data, size_t size, size_t n, void *arg)
{
	(void) arg;
	n *= size;
	if (used + n > sizeof(buffer))
		used = 0;
	memcpy(buffer + used, data, n);
	used += n;
	total += n;
	return n;
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	CURL	   *easy = curl_easy_init();
	/* the format that the driver asks for: 2.x has no MessagePack */
	const char *accept = getenv("INFLUXDB_ORG") ? "Accept: application/json" : "Accept: application/x-msgpack";
	struct curl_slist *headers = curl_slist_append(NULL, accept);
	char		url[4096];
	char	   *query;
	double		start;
	long		status = 0;
	CURLcode	code;

	if (argc != 3)
		return 2;
	query = curl_easy_escape(easy, argv[2], 0);
	snprintf(url, sizeof(url), "%s/query?db=t_influx&epoch=ns&chunked=true&chunk_size=10000&q=%s", argv[1], query);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_USERNAME, getenv("INFLUXDB_USER"));
	curl_easy_setopt(easy, CURLOPT_PASSWORD, getenv("INFLUXDB_PASSWORD"));
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256 * 1024L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
	start = seconds();
	code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	printf("%.3f %.0f\n", seconds() - start, total);
	return code == CURLE_OK && status == 200 ? 0 : 1;
}
