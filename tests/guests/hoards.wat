;; Takes memory, a mebibyte at a time, until it is refused; then it stops.

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (loop $more
    (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
  (unreachable))
