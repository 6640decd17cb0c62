;; Finishes, and says of what stands what is no JSON.

(data (i32.const 4096) "blah blah")
;; progress: finish, and at 80 an `applied` that is there.
(data (i32.const 4352) "\04")
(data (i32.const 4432) "\01\00\00\00" "\00\10\00\00" "\09\00\00\00")

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (i32.const 4352))
