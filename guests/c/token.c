/* A token in C: balances by account, kept under "b" and the 20 bytes of the account. */
#include "phat.h"

#define ACCOUNT_BYTES 20
#define KEY_BYTES (1 + ACCOUNT_BYTES)

static void balance_key(uint8_t *key, const uint8_t *account) {
    key[0] = 'b';
    for (int i = 0; i < ACCOUNT_BYTES; i++) key[1 + i] = account[i];
}

static uint64_t balance_of_account(const uint8_t *account) {
    uint8_t key[KEY_BYTES];
    balance_key(key, account);
    return phat_load_u64(key, KEY_BYTES);
}

static void set_balance(const uint8_t *account, uint64_t balance) {
    uint8_t key[KEY_BYTES];
    balance_key(key, account);
    if (balance == 0) {
        phat_kv_delete(key, KEY_BYTES);
    } else {
        phat_store_u64(key, KEY_BYTES, balance);
    }
}

/* init(supply: u64): all of it belongs to the author. */
static void init(phat_reader *arguments, phat_writer *result) {
    (void)result;
    uint64_t supply = phat_read_u64(arguments);
    if (arguments->failed) return;
    phat_store_u64("supply", 6, supply);
    set_balance(phat_env.caller, supply);
}

/* transfer(to: 20 bytes, amount: u64) */
static void transfer(phat_reader *arguments, phat_writer *result) {
    (void)result;
    const uint8_t *to = phat_read(arguments, ACCOUNT_BYTES);
    uint64_t amount = phat_read_u64(arguments);
    if (arguments->failed) return;
    uint64_t balance = balance_of_account(phat_env.caller);
    if (amount > balance) {
        phat_revert("the balance is too small");
        return;
    }
    set_balance(phat_env.caller, balance - amount);
    set_balance(to, balance_of_account(to) + amount);

    phat_writer event = {0, 0, 0};
    phat_write(&event, phat_env.caller, ACCOUNT_BYTES);
    phat_write(&event, to, ACCOUNT_BYTES);
    phat_write_u64(&event, amount);
    phat_emit("Transfer", &event);
}

/* balance_of(account: 20 bytes) -> u64 */
static void balance_of(phat_reader *arguments, phat_writer *result) {
    const uint8_t *account = phat_read(arguments, ACCOUNT_BYTES);
    if (arguments->failed) return;
    phat_write_u64(result, balance_of_account(account));
}

static const phat_method METHODS[] = {
    {PHAT_INIT, 0x97b6771b, init},
    {PHAT_COMMAND, 0xb483afd3, transfer},
    {PHAT_QUERY, 0xd35a73cd, balance_of},
};
PHAT_PROGRAM(METHODS)
