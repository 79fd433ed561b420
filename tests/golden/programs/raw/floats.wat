;; Floating point in raw WebAssembly: rounding, NaN payloads, minimum and maximum, conversions, a long mixed sum.
;; > command run 00
;; > command run 01
;; > command run 02
;; > command run 03
;; > command run 04
(module
  (memory (export "memory") 2)
  (global $at (mut i32) (i32.const 1029))
  (func (export "phat_alloc") (param i32) (result i32) (i32.const 65536))
  (func $put (param $value f64)
    (f64.store (global.get $at) (local.get $value))
    (global.set $at (i32.add (global.get $at) (i32.const 8))))
  (func $put32 (param $value f32)
    (f32.store (global.get $at) (local.get $value))
    (global.set $at (i32.add (global.get $at) (i32.const 4))))
  (func $put_bits (param $value i64)
    (i64.store (global.get $at) (local.get $value))
    (global.set $at (i32.add (global.get $at) (i32.const 8))))
  (func $rounding (param $x f64)
    (call $put (f64.nearest (local.get $x))) (call $put (f64.floor (local.get $x)))
    (call $put (f64.ceil (local.get $x))) (call $put (f64.trunc (local.get $x)))
    (call $put32 (f32.demote_f64 (local.get $x))) (call $put32 (f32.nearest (f32.demote_f64 (local.get $x)))))
  (func $nans (param $x f64)
    (call $put (f64.add (local.get $x) (f64.const 1))) (call $put (f64.mul (local.get $x) (local.get $x)))
    (call $put (f64.min (local.get $x) (f64.const 1))) (call $put (f64.max (f64.const 1) (local.get $x)))
    (call $put (f64.neg (local.get $x))) (call $put (f64.abs (local.get $x)))
    (call $put (f64.copysign (local.get $x) (f64.const -1))) (call $put (f64.sqrt (local.get $x)))
    (call $put (f64.promote_f32 (f32.demote_f64 (local.get $x)))) (call $put (f64.ceil (local.get $x)))
    (call $put32 (f32.sub (f32.demote_f64 (local.get $x)) (f32.const 1))))
  (func $sum (local $i i32) (local $x f64) (local $y f32)
    (local.set $x (f64.const 0.1)) (local.set $y (f32.const 0.1))
    (loop $again
      (local.set $x (f64.add (f64.mul (local.get $x) (f64.const 1.0000001)) (f64.div (f64.const 1) (f64.sqrt (f64.add (local.get $x) (f64.const 1))))))
      (local.set $y (f32.sub (f32.mul (local.get $y) (f32.const 1.001)) (f32.demote_f64 (local.get $x))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 5000))))
    (call $put (local.get $x)) (call $put32 (local.get $y)))
  (func (export "phat_call") (param $frame i32) (param $length i32) (result i64)
    (block $done (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 (i32.load8_u (i32.add (local.get $frame) (i32.const 150)))))
      ;; 0: halves, where rounding to even shows
      (call $rounding (f64.const 2.5)) (call $rounding (f64.const -0.5)) (call $rounding (f64.const 4503599627370497.5))
      (br $done))
      ;; 1: NaNs
      (call $nans (f64.reinterpret_i64 (i64.const 0x7ff4deadbeef0001))) (call $nans (f64.reinterpret_i64 (i64.const 0xfff8000000000123)))
      (br $done))
      ;; 2: zeros and infinities
      (call $put (f64.min (f64.const 0) (f64.const -0))) (call $put (f64.max (f64.const -0) (f64.const 0)))
      (call $put (f64.sub (f64.const inf) (f64.const inf))) (call $put (f64.div (f64.const -1) (f64.const 0)))
      (call $put (f64.mul (f64.const 5e-324) (f64.const 0.5))) (call $put (f64.div (f64.const 0) (f64.const 0)))
      (br $done))
      ;; 3: conversions
      (call $put_bits (i64.trunc_sat_f64_u (f64.const -1))) (call $put_bits (i64.trunc_sat_f64_s (f64.const 1e300)))
      (call $put_bits (i64.trunc_sat_f64_s (f64.const nan))) (call $put (f64.convert_i64_u (i64.const -1)))
      (call $put (f64.convert_i64_s (i64.const 9007199254740993))) (call $put32 (f32.convert_i64_u (i64.const 0x8000008000000001)))
      (br $done))
      ;; 4: five thousand rounds
      (call $sum))
    (i32.store (i32.const 1025) (i32.sub (global.get $at) (i32.const 1029)))
    (i32.store16 (global.get $at) (i32.const 0))
    (i64.or (i64.const 0x40000000000) (i64.extend_i32_u (i32.sub (global.get $at) (i32.const 1022))))))
