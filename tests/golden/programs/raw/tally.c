/* A tally in C: counts, a scan over all of them, an event, a log, a refusal.

// > init init 0300000000000000
// > command add 02000000
// > command add 02000000
// > command add 01000000
// > command add 09000000
// > command add ff
// > query total
// > command total
// > command clear
// > query total
// > command add 02000000 fuel=30_000
*/
#include "phat.h"

/* init(choices: u64) */
static void init(phat_reader *arguments, phat_writer *result) {
    (void)result;
    uint64_t choices = phat_read_u64(arguments);
    if (arguments->failed) return;
    phat_store_u64("choices", 7, choices);
}

static void choice_key(uint8_t *key, uint32_t choice) {
    key[0] = 'v';
    for (int i = 0; i < 4; i++) key[1 + i] = (uint8_t)(choice >> (8 * i));
}

/* add(choice: u32) */
static void add(phat_reader *arguments, phat_writer *result) {
    const uint8_t *bytes = phat_read(arguments, 4);
    if (arguments->failed) return;
    uint32_t choice = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    if (choice >= phat_load_u64("choices", 7)) {
        phat_revert("there is no such choice");
        return;
    }
    uint8_t key[5];
    choice_key(key, choice);
    uint64_t votes = phat_load_u64(key, 5) + 1;
    phat_store_u64(key, 5, votes);
    phat_write_u64(result, votes);
    phat_writer event = {0, 0, 0};
    phat_write_u64(&event, votes);
    phat_emit("Voted", &event);
}

/* total() -> u64 */
static void total(phat_reader *arguments, phat_writer *result) {
    (void)arguments;
    uint64_t sum = 0;
    for (uint32_t choice = 0; choice < phat_load_u64("choices", 7); choice++) {
        uint8_t key[5];
        choice_key(key, choice);
        sum += phat_load_u64(key, 5);
    }
    phat_write_u64(result, sum);
}

/* clear() */
static void clear(phat_reader *arguments, phat_writer *result) {
    (void)arguments;
    (void)result;
    for (uint32_t choice = 0; choice < phat_load_u64("choices", 7); choice++) {
        uint8_t key[5];
        choice_key(key, choice);
        phat_kv_delete(key, 5);
    }
}

static const phat_method METHODS[] = {
    {PHAT_INIT, 0x97b6771b, init},
    {PHAT_COMMAND, 0x4f5a8bb8, add},
    {PHAT_QUERY, 0xd96fe21f, total},
    {PHAT_COMMAND, 0x4292f3f4, clear},
};
PHAT_PROGRAM(METHODS)
