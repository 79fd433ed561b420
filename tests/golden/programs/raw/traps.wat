;; Every way in which WebAssembly itself can fail, chosen by the first byte of the arguments.
;; > command run 00
;; > command run 01
;; > command run 02
;; > command run 03
;; > command run 04
;; > command run 05
;; > command run 06
;; > command run 07
;; > command run 08
;; > command run 09
;; > command run 0a
;; > command run 0b
;; > command run 0c fuel=1_000_000
;; > query run 00
;; > command run
(module
  (import "phat" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (type $takes_one (func (param i32) (result i32)))
  (table 3 funcref)
  (elem (i32.const 0) $other $same)
  (data (i32.const 16) "before the trap")
  (func (export "phat_alloc") (param i32) (result i32) (i32.const 65536))
  (func $other (result i64) (i64.const 1))
  (func $same (param i32) (result i32) (local.get 0))
  (func (export "phat_call") (param $frame i32) (param $length i32) (result i64)
    (local $which i32)
    (local.set $which (i32.load8_u (i32.add (local.get $frame) (i32.const 150))))
    (call $log (i32.const 1) (i32.const 16) (i32.const 15))
    (block $b (block $a (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $a $b (local.get $which))
      )(return (i64.const 0x40000000007))
      )unreachable
      )(drop (i32.load (i32.const 131069)))
      )(i64.store (i32.const -8) (i64.const 1))
      )(drop (i32.div_u (i32.const 1) (i32.sub (local.get $which) (i32.const 4))))
      )(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))
      )(drop (i32.trunc_f64_u (f64.const 1e20)))
      )(drop (i32.trunc_f32_s (f32.const nan:0x200001)))
      )(drop (call_indirect (type $takes_one) (i32.const 1) (i32.const 0)))
      )(drop (call_indirect (type $takes_one) (i32.const 1) (i32.const 2)))
      )(drop (call_indirect (type $takes_one) (i32.const 1) (i32.const 77)))
      )
    (if (i32.eq (local.get $which) (i32.const 12)) (then (loop $again (br $again))))
    (memory.copy (i32.const 131000) (i32.const 0) (i32.const 100))
    (i64.const 0x40000000007)))
