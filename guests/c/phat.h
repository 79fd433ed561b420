/* Phat programs in C: the whole guest library in one header.
 *
 * A program includes this header, defines its methods, and lists them:
 *
 *     #include "phat.h"
 *
 *     static void add(phat_reader *arguments, phat_writer *result) {
 *         uint64_t by = phat_read_u64(arguments);
 *         ...
 *         phat_write_u64(result, total);
 *     }
 *
 *     static const phat_method METHODS[] = {
 *         {PHAT_COMMAND, 0x4f5a8bb8, add},     // selector of "add": first 4 bytes of keccak256, big-endian
 *     };
 *     PHAT_PROGRAM(METHODS)
 *
 * Build it without a C library and without a start function:
 *
 *     clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o program.wasm program.c
 *
 * Memory is given out and never taken back: each call runs in a fresh instance.
 */
#ifndef PHAT_H
#define PHAT_H

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef long long int64_t;
typedef unsigned long size_t;

#define PHAT_IMPORT(symbol) __attribute__((import_module("phat"), import_name(symbol))) extern
#define PHAT_EXPORT(symbol) __attribute__((export_name(symbol)))
#define PHAT_ABSENT ((uint64_t)-1)
#define PHAT_FRAME_BYTES 150

/* ---- the host's functions; a packed result is pointer << 32 | length, or PHAT_ABSENT ---- */

PHAT_IMPORT("kv_get") uint64_t phat_kv_get(const void *key, uint32_t key_length);
PHAT_IMPORT("kv_set") void phat_kv_set(const void *key, uint32_t key_length, const void *value, uint32_t length);
PHAT_IMPORT("kv_delete") void phat_kv_delete(const void *key, uint32_t key_length);
PHAT_IMPORT("kv_scan") uint64_t phat_kv_scan(const void *prefix, uint32_t prefix_length, const void *start,
                                             uint32_t start_length, uint32_t limit);
PHAT_IMPORT("log") void phat_log(uint32_t level, const void *text, uint32_t length);
PHAT_IMPORT("derive_key") uint64_t phat_derive_key(const void *purpose, uint32_t length);
PHAT_IMPORT("sign") uint64_t phat_sign(const void *digest, uint32_t length);
PHAT_IMPORT("random") uint64_t phat_random(uint32_t length);
PHAT_IMPORT("call") uint64_t phat_call_program(const void *program, const void *input, uint32_t length);

/* ---- memory ---- */

extern uint8_t __heap_base;
static uint32_t phat_next;

static void phat_trap(void) { __builtin_trap(); }

static inline void *phat_allocate(uint32_t length) {
    if (phat_next == 0) phat_next = ((uint32_t)(size_t)&__heap_base + 15) & ~15u;
    uint32_t start = phat_next;
    uint64_t end = (uint64_t)start + length;
    uint64_t size = (uint64_t)__builtin_wasm_memory_size(0) << 16;
    if (end > size && __builtin_wasm_memory_grow(0, (size_t)((end - size + 65535) >> 16)) == (size_t)-1) phat_trap();
    phat_next = (uint32_t)((end + 15) & ~15ull);
    return (void *)(size_t)start;
}

/* The compiler may call these for copies and initial values of structures. */
__attribute__((weak)) void *memcpy(void *to, const void *from, size_t length) {
    for (size_t i = 0; i < length; i++) ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

__attribute__((weak)) void *memset(void *to, int value, size_t length) {
    for (size_t i = 0; i < length; i++) ((volatile uint8_t *)to)[i] = (uint8_t)value;
    return to;
}

static inline int phat_equal(const void *left, const void *right, uint32_t length) {
    uint8_t difference = 0;
    for (uint32_t i = 0; i < length; i++) difference |= ((const uint8_t *)left)[i] ^ ((const uint8_t *)right)[i];
    return difference == 0;
}

/* ---- reading arguments: packed encoding, little-endian, in the order of the interface ---- */

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    int failed; /* set once a read passes the end; all later reads give zero */
} phat_reader;

static inline const uint8_t *phat_read(phat_reader *reader, uint32_t length) {
    if (reader->failed || (uint32_t)(reader->end - reader->at) < length) {
        reader->failed = 1;
        return 0;
    }
    const uint8_t *part = reader->at;
    reader->at += length;
    return part;
}

static inline uint64_t phat_read_number(phat_reader *reader, uint32_t bytes) {
    const uint8_t *part = phat_read(reader, bytes);
    uint64_t value = 0;
    if (part)
        for (uint32_t i = bytes; i-- > 0;) value = value << 8 | part[i];
    return value;
}

static inline uint64_t phat_read_u64(phat_reader *reader) { return phat_read_number(reader, 8); }
static inline uint32_t phat_read_u32(phat_reader *reader) { return (uint32_t)phat_read_number(reader, 4); }

/* Bytes and text: a length of 4 bytes, then the bytes. */
static inline const uint8_t *phat_read_bytes(phat_reader *reader, uint32_t *length) {
    *length = phat_read_u32(reader);
    return phat_read(reader, *length);
}

/* ---- writing results and events ---- */

typedef struct {
    uint8_t *start;
    uint32_t length;
    uint32_t capacity;
} phat_writer;

static inline void phat_write(phat_writer *writer, const void *data, uint32_t length) {
    if (writer->length + length > writer->capacity) {
        uint32_t capacity = (writer->length + length) * 2 + 64;
        uint8_t *larger = phat_allocate(capacity);
        for (uint32_t i = 0; i < writer->length; i++) larger[i] = writer->start[i];
        writer->start = larger;
        writer->capacity = capacity;
    }
    for (uint32_t i = 0; i < length; i++) writer->start[writer->length + i] = ((const uint8_t *)data)[i];
    writer->length += length;
}

static inline void phat_write_number(phat_writer *writer, uint64_t value, uint32_t bytes) {
    uint8_t encoded[8];
    for (uint32_t i = 0; i < bytes; i++) encoded[i] = (uint8_t)(value >> (8 * i));
    phat_write(writer, encoded, bytes);
}

static inline void phat_write_u64(phat_writer *writer, uint64_t value) { phat_write_number(writer, value, 8); }

/* ---- the call frame ---- */

enum { PHAT_LOAD, PHAT_INIT, PHAT_COMMAND, PHAT_QUERY, PHAT_REQUEST, PHAT_INTERNAL };
enum { PHAT_OK, PHAT_REVERTED, PHAT_UNKNOWN_METHOD, PHAT_BAD_ARGUMENTS };

typedef struct {
    uint8_t kind;
    uint32_t selector; /* big-endian, so that it reads like 0x4f5a8bb8 */
    const uint8_t *caller;     /* 20 bytes */
    const uint8_t *program;    /* 32 bytes */
    const uint8_t *origin;     /* 20 bytes */
    const uint8_t *request_id; /* 32 bytes */
    uint64_t block_number;
    uint64_t timestamp; /* seconds */
    uint64_t link;
    uint32_t position;
    uint64_t chain_id;
} phat_frame;

static phat_frame phat_env;      /* of the running call */
static phat_writer phat_events;  /* encoded events of the running call */
static uint32_t phat_event_count;
static const char *phat_message; /* why the call is refused; null while it is not */
static uint8_t phat_status;

/* Announces an event; its data is in the encoding of the interface. */
static inline void phat_emit(const char *name, const phat_writer *data) {
    uint32_t length = 0;
    while (name[length]) length++;
    phat_write_number(&phat_events, length, 2);
    phat_write(&phat_events, name, length);
    phat_write_number(&phat_events, data->length, 4);
    phat_write(&phat_events, data->start, data->length);
    phat_event_count++;
}

/* Refuses the call: the method must return after it. Nothing that it wrote is kept. */
static inline void phat_revert(const char *message) {
    phat_status = PHAT_REVERTED;
    phat_message = message;
}

/* ---- 64-bit numbers in state ---- */

static inline uint64_t phat_load_u64(const void *key, uint32_t key_length) {
    uint64_t packed = phat_kv_get(key, key_length);
    if (packed == PHAT_ABSENT) return 0;
    const uint8_t *start = (const uint8_t *)(size_t)(packed >> 32);
    phat_reader reader = {start, start + (uint32_t)packed, 0};
    return phat_read_u64(&reader);
}

static inline void phat_store_u64(const void *key, uint32_t key_length, uint64_t value) {
    uint8_t encoded[8];
    for (uint32_t i = 0; i < 8; i++) encoded[i] = (uint8_t)(value >> (8 * i));
    phat_kv_set(key, key_length, encoded, 8);
}

/* ---- dispatch ---- */

typedef struct {
    uint8_t kind;      /* PHAT_INIT, PHAT_COMMAND or PHAT_QUERY */
    uint32_t selector; /* first 4 bytes of keccak256 of the method's name, big-endian */
    void (*run)(phat_reader *arguments, phat_writer *result);
} phat_method;

static inline uint64_t phat_finish(const phat_writer *result) {
    phat_writer reply = {0, 0, 0};
    phat_write_number(&reply, phat_status, 1);
    if (phat_status == PHAT_OK) {
        phat_write_number(&reply, result->length, 4);
        phat_write(&reply, result->start, result->length);
    } else {
        uint32_t length = 0;
        while (phat_message && phat_message[length]) length++;
        phat_write_number(&reply, length, 4);
        phat_write(&reply, phat_message, length);
    }
    phat_write_number(&reply, phat_status == PHAT_OK ? phat_event_count : 0, 2);
    if (phat_status == PHAT_OK) phat_write(&reply, phat_events.start, phat_events.length);
    return (uint64_t)(size_t)reply.start << 32 | reply.length;
}

/* Another program may call commands and queries alike: its call is of kind PHAT_INTERNAL. */
static inline int phat_matches(const phat_method *method) {
    if (method->selector != phat_env.selector) return 0;
    return method->kind == phat_env.kind || (phat_env.kind == PHAT_INTERNAL && method->kind != PHAT_INIT);
}

static inline uint64_t phat_dispatch(const uint8_t *frame, uint32_t length, const phat_method *methods, uint32_t count) {
    if (length < PHAT_FRAME_BYTES || frame[0] != 1) phat_trap();
    phat_reader reader = {frame + 110, frame + length, 0};
    phat_env.kind = frame[1];
    phat_env.selector = (uint32_t)frame[2] << 24 | (uint32_t)frame[3] << 16 | (uint32_t)frame[4] << 8 | frame[5];
    phat_env.caller = frame + 6;
    phat_env.program = frame + 26;
    phat_env.origin = frame + 58;
    phat_env.request_id = frame + 78;
    phat_env.block_number = phat_read_u64(&reader);
    phat_env.timestamp = phat_read_u64(&reader);
    phat_env.link = phat_read_u64(&reader);
    phat_env.position = phat_read_u32(&reader);
    phat_env.chain_id = phat_read_u64(&reader);
    uint32_t arguments_length = phat_read_u32(&reader);
    if (arguments_length != length - PHAT_FRAME_BYTES) phat_trap();

    phat_writer result = {0, 0, 0};
    phat_status = PHAT_UNKNOWN_METHOD;
    phat_message = "unknown method";
    for (uint32_t i = 0; i < count; i++) {
        if (!phat_matches(&methods[i])) continue;
        phat_status = PHAT_OK;
        phat_message = 0;
        methods[i].run(&reader, &result);
        if (phat_status == PHAT_OK && (reader.failed || reader.at != reader.end)) {
            phat_status = PHAT_BAD_ARGUMENTS;
            phat_message = "the arguments are too short or too long";
        }
        break;
    }
    return phat_finish(&result);
}

#define PHAT_PROGRAM(methods)                                                                                    \
    PHAT_EXPORT("phat_alloc") void *phat_export_alloc(uint32_t length) { return phat_allocate(length); }         \
    PHAT_EXPORT("phat_call") uint64_t phat_export_call(const uint8_t *frame, uint32_t length) {                  \
        return phat_dispatch(frame, length, methods, sizeof(methods) / sizeof((methods)[0]));                    \
    }

#endif
