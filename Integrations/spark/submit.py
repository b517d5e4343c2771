"""What spark-submit runs; README.md says how:   spark-submit submit.py embed --model M --dataset D --library L --output O"""

from pinsage_spark.main import main

if __name__ == "__main__":
    main()
