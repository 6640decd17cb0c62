;; Names a key of 64 KiB eight thousand times. In its own memory it is there once; whoever takes
;; the answer as it comes needs half a gibibyte.

;; progress: finish, and at 92 the keys.
(data (i32.const 4096) "\04")
(data (i32.const 4188) "\00\00\02\00" "\40\1f\00\00")

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (local $key i32)
  (drop (memory.grow (i32.const 2)))
  (local.set $key (i32.const 131072))
  (loop $next
    ;; Each key begins at 0; its address is zero already.
    (i32.store offset=4 (local.get $key) (i32.const 65536))
    (local.set $key (i32.add (local.get $key) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $key) (i32.const 195072))))
  (i32.const 4096))
