DROP TABLE fan_outs;
DROP TABLE fan_out_parts;
DROP TABLE fan_out_plans;
