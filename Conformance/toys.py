def check_that_each_case_can_fail(chosen, run):
    return 0
