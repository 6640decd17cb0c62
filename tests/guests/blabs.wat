;; Says all that it was given of the subscriber and of its configuration, and stops.

(func $say (param $level i32) (param $text i32)
  (call $log (local.get $level) (i32.load (local.get $text)) (i32.load offset=4 (local.get $text))))

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  ;; The operation: of the subscriber imsi and documents, and behind `applied` the configuration.
  (call $say (i32.const 0) (i32.add (local.get $question) (i32.const 104)))
  (call $say (i32.const 2) (i32.add (local.get $question) (i32.const 144)))
  (call $say (i32.const 3) (i32.add (local.get $question) (i32.const 124)))
  (unreachable))
