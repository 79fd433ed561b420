;; The host's functions by hand: write, read, scan, delete, log, random, a derived key; and a call that breaks their rules.
;; > command run 00
;; > command run 01
;; > command run 02
;; > command run 03
;; > query run 01
;; > query run 00
;; > command run 04
;; > command run 05
;; > command run 06
;; > command run 07
(module
  (import "phat" "kv_get" (func $kv_get (param i32 i32) (result i64)))
  (import "phat" "kv_set" (func $kv_set (param i32 i32 i32 i32)))
  (import "phat" "kv_delete" (func $kv_delete (param i32 i32)))
  (import "phat" "kv_scan" (func $kv_scan (param i32 i32 i32 i32 i32) (result i64)))
  (import "phat" "log" (func $log (param i32 i32 i32)))
  (import "phat" "derive_key" (func $derive_key (param i32 i32) (result i64)))
  (import "phat" "random" (func $random (param i32) (result i64)))
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 65536))
  (data (i32.const 16) "apple" ) (data (i32.const 32) "apricot") (data (i32.const 48) "banana") (data (i32.const 64) "\ff\fe log")
  (func (export "phat_alloc") (param $length i32) (result i32)
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get $length) (i32.const 15)) (i32.const -16)))))
  (func $answer (param $packed i64) (result i64) (local $length i32)
    (if (i64.eq (local.get $packed) (i64.const -1)) (then (local.set $packed (i64.const 0))))
    (local.set $length (i32.wrap_i64 (local.get $packed)))
    (i32.store (i32.const 1025) (local.get $length))
    (memory.copy (i32.const 1029) (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))) (local.get $length))
    (i32.store16 (i32.add (i32.const 1029) (local.get $length)) (i32.const 0))
    (i64.or (i64.const 0x40000000000) (i64.extend_i32_u (i32.add (local.get $length) (i32.const 7)))))
  (func (export "phat_call") (param $frame i32) (param $length i32) (result i64)
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 (i32.load8_u (i32.add (local.get $frame) (i32.const 150)))))
      ;; 0: three entries
      (call $kv_set (i32.const 16) (i32.const 5) (i32.const 48) (i32.const 6))
      (call $kv_set (i32.const 32) (i32.const 7) (i32.const 16) (i32.const 5))
      (call $kv_set (i32.const 48) (i32.const 6) (i32.const 0) (i32.const 0))
      (call $log (i32.const 3) (i32.const 64) (i32.const 6))
      (return (call $answer (i64.const 0))))
      ;; 1: read one, and one that is not there
      (drop (call $kv_get (i32.const 64) (i32.const 3)))
      (return (call $answer (call $kv_get (i32.const 16) (i32.const 5)))))
      ;; 2: scan "ap" after "apple"
      (return (call $answer (call $kv_scan (i32.const 16) (i32.const 2) (i32.const 16) (i32.const 5) (i32.const 10)))))
      ;; 3: delete, then scan all
      (call $kv_delete (i32.const 32) (i32.const 7)) (call $kv_delete (i32.const 32) (i32.const 7))
      (return (call $answer (call $kv_scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 10)))))
      ;; 4: random bytes
      (return (call $answer (call $random (i32.const 40)))))
      ;; 5: a key
      (return (call $answer (call $derive_key (i32.const 16) (i32.const 5)))))
      ;; 6: a key outside of memory
      (return (call $answer (call $kv_get (i32.const 131070) (i32.const 5)))))
    ;; 7: no level 9
    (call $log (i32.const 9) (i32.const 16) (i32.const 5))
    (i64.const 0)))
