;; Logs five thousand lines, then finishes well.

(data (i32.const 4096) "and another thing")
;; progress: finish, and at 72 one report. Its zeros, at 5120, are: the own group, OK, no message.
(data (i32.const 4352) "\04")
(data (i32.const 4424) "\00\14\00\00" "\01\00\00\00")

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (local $line i32)
  (loop $next
    (call $log (i32.const 2) (i32.const 4096) (i32.const 17)) ;; level: warn
    (local.set $line (i32.add (local.get $line) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $line) (i32.const 5000))))
  (i32.const 4352))
