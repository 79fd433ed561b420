/* A counter in C: the smallest Phat program. Its interface is in counter.interface.json. */
#include "phat.h"

static const char COUNT[] = "count";
#define COUNT_LENGTH 5

static void init(phat_reader *arguments, phat_writer *result) {
    (void)result;
    phat_store_u64(COUNT, COUNT_LENGTH, phat_read_u64(arguments));
}

static void add(phat_reader *arguments, phat_writer *result) {
    uint64_t by = phat_read_u64(arguments);
    uint64_t before = phat_load_u64(COUNT, COUNT_LENGTH);
    if (before + by < before) {
        phat_revert("the counter would overflow");
        return;
    }
    phat_store_u64(COUNT, COUNT_LENGTH, before + by);
    phat_write_u64(result, before + by);

    phat_writer event = {0, 0, 0};
    phat_write_u64(&event, before + by);
    phat_emit("Added", &event);
}

static void get(phat_reader *arguments, phat_writer *result) {
    (void)arguments;
    phat_write_u64(result, phat_load_u64(COUNT, COUNT_LENGTH));
}

static const phat_method METHODS[] = {
    {PHAT_INIT, 0x97b6771b, init},
    {PHAT_COMMAND, 0x4f5a8bb8, add},
    {PHAT_QUERY, 0x6817c00f, get},
};
PHAT_PROGRAM(METHODS)
